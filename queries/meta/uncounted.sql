-- Whether the window holds a record that nobody has yet said to count or not.
SELECT count(*) AS uncounted
FROM (
  SELECT start_time
  FROM flows
  WHERE counted IS NULL AND start_time >= $since AND start_time < $until
  LIMIT 1
)
