-- The latest end of a record that may be seen: what an answer can know of.
SELECT max(last_heard) AS data_through FROM coverage_hourly
