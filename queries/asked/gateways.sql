-- What NAT gateways passed, or may have passed, in place of the records that count.
--
-- Reads:   flows
-- Note:    A gateway records what passes on both its sides. Its inner side has each packet
--          once, with whom it is of, whether another record of it counts or not. Where a
--          gateway recorded nothing, a record may name its next hop (version 11); what went
--          out by another interface of the VPC, or in a way that its log does not tell, may
--          have passed one. `goes_out` tells which way a record's packets went.
WITH seen AS (
  SELECT
    observer, role, counted, scope, initiator, direction, traffic_path, next_hop_interface_type,
    src_address, dst_address, srcport, dstport, protocol, start_time, end_time
  FROM flows
  WHERE start_time >= $from AND start_time < $until
),
gateways AS (
  SELECT DISTINCT observer
  FROM seen
  WHERE role IN ('nat_public', 'nat_unsolicited')
),
passed AS (
  SELECT
    src_address, dst_address, srcport, dstport, protocol,
    min(start_time) AS begins,
    max(end_time) AS ends
  FROM seen
  WHERE role = 'transit' AND observer IN (SELECT observer FROM gateways)
  GROUP BY src_address, dst_address, srcport, dstport, protocol
),
outward AS (
  SELECT
    CASE WHEN scope = 'outbound' THEN src_address ELSE dst_address END AS inner_address,
    CASE WHEN scope = 'outbound' THEN dst_address ELSE src_address END AS outer_address,
    CASE WHEN scope = 'outbound' THEN srcport ELSE dstport END AS inner_port,
    CASE WHEN scope = 'outbound' THEN dstport ELSE srcport END AS outer_port,
    protocol,
    CASE WHEN scope = 'outbound' THEN traffic_path END AS path,
    CASE WHEN next_hop_interface_type IN ('nat_gateway', 'regional_nat_gateway') THEN 1 ELSE 0 END AS to_gateway
  FROM seen
  WHERE counted IS NOT FALSE
    AND (scope = 'outbound' AND initiator IS DISTINCT FROM 'dst' OR scope = 'inbound' AND initiator = 'dst')
),
ways AS (
  SELECT
    inner_address, outer_address, inner_port, outer_port, protocol,
    max(path) AS path,
    max(to_gateway) AS to_gateway
  FROM outward
  GROUP BY inner_address, outer_address, inner_port, outer_port, protocol
)
SELECT told.*, 'gateway' AS evidence, told.direction = 'ingress' AS goes_out
FROM told
JOIN gateways ON gateways.observer = told.observer
WHERE told.start_time >= $from AND told.start_time < $until AND told.role = 'transit'
UNION ALL
SELECT
  told.*,
  CASE
    WHEN ways.to_gateway = 1 THEN 'next_hop'
    WHEN ways.path = 1 THEN 'unknown_hop'
    ELSE 'unknown_path'
  END AS evidence,
  told.scope = 'outbound' AS goes_out
FROM told
JOIN ways
  ON ways.inner_address = CASE WHEN told.scope = 'outbound' THEN told.src_address ELSE told.dst_address END
  AND ways.outer_address = CASE WHEN told.scope = 'outbound' THEN told.dst_address ELSE told.src_address END
  AND ways.inner_port = CASE WHEN told.scope = 'outbound' THEN told.srcport ELSE told.dstport END
  AND ways.outer_port = CASE WHEN told.scope = 'outbound' THEN told.dstport ELSE told.srcport END
  AND ways.protocol = told.protocol
LEFT JOIN gateways ON gateways.observer = told.observer
LEFT JOIN passed
  ON passed.src_address = told.src_address
  AND passed.dst_address = told.dst_address
  AND passed.srcport = told.srcport
  AND passed.dstport = told.dstport
  AND passed.protocol = told.protocol
  AND passed.begins <= coalesce(told.end_time, told.start_time) + INTERVAL 1 MINUTE
  AND passed.ends >= told.start_time - INTERVAL 1 MINUTE
WHERE told.start_time >= $from AND told.start_time < $until
  AND told.counted IS NOT FALSE
  AND (
    told.scope = 'outbound' AND told.initiator IS DISTINCT FROM 'dst'
    OR told.scope = 'inbound' AND told.initiator = 'dst'
  )
  AND (ways.to_gateway = 1 OR ways.path IS NULL OR ways.path = 1)
  AND gateways.observer IS NULL
  AND passed.protocol IS NULL
  AND strpos(told.src_address, ':') = 0
