-- What settling left open.
SELECT
  count(*) AS records,
  count(*) FILTER (settled IS NOT TRUE) AS unsettled,
  count(*) FILTER (counted IS NULL) AS undecided,
  count(*) FILTER (role = 'unmatched') AS unmatched,
  count(*) FILTER (interface_id IS NULL AND resource_id IS NULL) AS unobserved
FROM flows
WHERE start_time >= $since
