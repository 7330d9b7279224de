-- The latest end of a record in the lake: what an answer can know of.
SELECT max(last_end) AS data_through FROM sources WHERE head = 'flows'
