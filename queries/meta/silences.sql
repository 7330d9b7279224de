-- Silent intervals by what AWS said of them.
SELECT
  log_status,
  count(*) AS records,
  max(end_time) FILTER (WHERE end_time <= $now) AS heard_through
FROM silences
GROUP BY log_status
ORDER BY log_status
