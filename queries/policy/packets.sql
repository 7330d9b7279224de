-- Distinct packets at the interfaces that are their own ends, of an hour each.
--
-- What passes a gateway is none of its own packets. Ports of replies are clients' own.
-- An interface is somebody's by the identity of its address, or by the record itself.
SELECT
  date_trunc('hour', start_time) AS hour,
  interface_id AS interface,
  direction = 'ingress' AS inbound,
  CASE direction WHEN 'ingress' THEN src_address ELSE dst_address END AS peer_address,
  CASE direction WHEN 'ingress' THEN dst_address ELSE src_address END AS own_address,
  CASE direction WHEN 'ingress' THEN src_eni ELSE dst_eni END AS peer_interface,
  CASE direction WHEN 'ingress' THEN src_vpc ELSE dst_vpc END AS peer_vpc,
  protocol,
  dstport AS port,
  action = 'ACCEPT' AS is_accepted,
  CASE initiator WHEN 'src' THEN TRUE WHEN 'dst' THEN FALSE END AS is_request,
  CAST(epoch(min(start_time)) AS BIGINT) AS begin,
  CAST(epoch(max(coalesce(end_time, start_time))) AS BIGINT) AS "end",
  count(*) AS records,
  CAST(sum(packets) AS BIGINT) AS packets,
  CAST(sum(bytes) AS BIGINT) AS bytes
FROM flows
WHERE role IS NULL
  AND direction IS NOT NULL
  AND interface_id = CASE direction WHEN 'ingress' THEN dst_eni ELSE src_eni END
GROUP BY ALL
