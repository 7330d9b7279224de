-- Distinct packets of an hour each, at interfaces that changed rules reach, with names.
--
-- What passes a gateway is asked there too: network ACLs stop it. Copies by a second
-- flow log are left out, and so is what a NAT gateway drops in any case.
WITH reached AS (
  SELECT unnest($inward) AS interface_id, 'ingress' AS direction
  UNION ALL
  SELECT unnest($outward), 'egress'
),
shown AS (
  SELECT
    *,
    CASE direction WHEN 'ingress' THEN dst_eni ELSE src_eni END AS own_interface
  FROM oriented SEMI JOIN reached USING (interface_id, direction)
  WHERE start_time >= $since AND start_time < $until
    AND action IN $actions
    AND ($protocols IS NULL OR protocol IS NULL OR protocol IN $protocols)
    AND (dstport IS NULL OR dstport BETWEEN $low AND $high OR protocol NOT IN (6, 17))
    AND ($replies OR initiator IS DISTINCT FROM 'dst')
    AND role IS DISTINCT FROM 'duplicate'
    AND role IS DISTINCT FROM 'nat_unsolicited'
)
SELECT
  hour,
  interface_id AS interface,
  direction = 'ingress' AS inbound,
  CASE direction WHEN 'ingress' THEN src_address ELSE dst_address END AS peer_address,
  CASE direction WHEN 'ingress' THEN dst_address ELSE src_address END AS own_address,
  CASE direction WHEN 'ingress' THEN src_eni ELSE dst_eni END AS peer_interface,
  CASE direction WHEN 'ingress' THEN src_vpc ELSE dst_vpc END AS peer_vpc,
  CASE direction WHEN 'ingress' THEN dst_vpc ELSE src_vpc END AS own_vpc,
  protocol,
  dstport AS port,
  action = 'ACCEPT' AS is_accepted,
  CASE initiator WHEN 'src' THEN TRUE WHEN 'dst' THEN FALSE END AS is_request,
  reject_cause,
  (role IS NOT NULL AND role <> 'unmatched')
    OR interface_id IS DISTINCT FROM own_interface AS is_passing,
  role IS NOT DISTINCT FROM 'unmatched' AS is_unmatched,
  coalesce(
    client_workload, client_node, client_name, client_network, client_aws_service,
    client_instance, client_eni, client_kind
  ) AS client,
  coalesce(
    server_workload, server_node, server_name, server_network, server_aws_service,
    server_instance, server_eni, server_kind
  ) AS server,
  client_namespace,
  server_namespace,
  client_owner,
  server_owner,
  service_port,
  CAST(epoch(min(start_time)) AS BIGINT) AS begin,
  CAST(epoch(max(coalesce(end_time, start_time))) AS BIGINT) AS "end",
  min(start_time) AS first_seen,
  max(coalesce(end_time, start_time)) AS last_seen,
  count(*) AS records,
  CAST(sum(packets) AS BIGINT) AS packets,
  CAST(sum(bytes) AS BIGINT) AS bytes
FROM shown
GROUP BY ALL
