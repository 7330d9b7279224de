-- How far the records of the lake reach.
SELECT max(last_end) AS through FROM sources
