-- What the interfaces recorded of one conversation, either way.
WITH both_ways AS (
  SELECT TRUE AS is_request, *
  FROM flows
  WHERE src_address = $client AND dst_address = $server AND dstport IS NOT DISTINCT FROM $port
  UNION ALL
  SELECT FALSE AS is_request, *
  FROM flows
  WHERE src_address = $server AND dst_address = $client AND srcport IS NOT DISTINCT FROM $port
)
SELECT
  is_request,
  observer,
  direction,
  src_address,
  dst_address,
  action,
  role,
  reject_cause,
  count(*) AS records,
  CAST(sum(packets) AS BIGINT) AS packets,
  bit_or(tcp_flags) AS tcp_flags,
  min(start_time) AS first_seen,
  max(end_time) AS last_seen
FROM both_ways
WHERE protocol = $protocol
  AND start_time >= $since
  AND start_time < $until
GROUP BY ALL
ORDER BY first_seen ASC, observer ASC, direction ASC, action ASC
LIMIT 40
