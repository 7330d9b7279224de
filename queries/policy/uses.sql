-- Distinct packets at interfaces, of an hour each, and whether they surely are its own.
--
-- What passes a gateway or a balancer, and what a tunnel carries, crosses interfaces that
-- are not its ends: it may have used what stands there. Of no known direction it may have
-- come or gone. What was sent and did not arrive used the rules where it left.
WITH recorded AS (
  SELECT
    *,
    unnest(CASE direction WHEN 'ingress' THEN [TRUE] WHEN 'egress' THEN [FALSE] ELSE [TRUE, FALSE] END) AS inbound
  FROM flows
  WHERE interface_id IS NOT NULL
)
SELECT
  date_trunc('hour', start_time) AS hour,
  interface_id AS interface,
  inbound,
  CASE WHEN inbound THEN src_address ELSE dst_address END AS peer_address,
  CASE WHEN inbound THEN src_eni ELSE dst_eni END AS peer_interface,
  CASE WHEN inbound THEN src_vpc ELSE dst_vpc END AS peer_vpc,
  protocol,
  dstport AS port,
  action = 'ACCEPT' AS is_accepted,
  CASE initiator WHEN 'src' THEN TRUE WHEN 'dst' THEN FALSE END AS is_request,
  coalesce(
    direction IS NOT NULL AND coalesce(role, 'unmatched') = 'unmatched'
      AND interface_id = CASE WHEN inbound THEN dst_eni ELSE src_eni END,
    FALSE
  ) AS is_own,
  CAST(epoch(min(start_time)) AS BIGINT) AS begin,
  CAST(epoch(max(coalesce(end_time, start_time))) AS BIGINT) AS "end",
  count(*) AS records,
  CAST(sum(packets) AS BIGINT) AS packets,
  CAST(sum(bytes) AS BIGINT) AS bytes
FROM recorded
WHERE action IS NOT NULL
GROUP BY ALL
