-- Say what transit gateways dropped and why: between which attachments and VPCs, and how much of all.
--
-- Params:  $since timestamptz = 24h, $until timestamptz = now
-- Returns: attachment varchar, pair_attachment varchar, src_vpc varchar, dst_vpc varchar, flow_direction varchar,
--          lost bigint, no_route bigint, blackhole bigint, mtu_exceeded bigint, ttl_expired bigint,
--          packets bigint, share double, destinations bigint, top_destination varchar,
--          first_seen timestamptz, last_seen timestamptz
-- Order:   lost desc, attachment asc, pair_attachment asc, src_vpc asc, dst_vpc asc, flow_direction asc
-- Reads:   tgw_flows
-- Note:    A gateway records packets where they come in (`ingress`) and where they go out: rows of both
--          directions do not add up. Without a route there is no pair and no VPC to go to: the top
--          destination is the address that lost most, destinations are those that lost any. Share is of
--          packets and lost together, since AWS does not say if packets holds what was lost. First and
--          last seen are of records with losses.
WITH counted AS (
  SELECT
    tgw_attachment_id, tgw_pair_attachment_id, tgw_src_vpc_id, tgw_dst_vpc_id, flow_direction, dst_address,
    coalesce(packets, 0) AS packets,
    coalesce(packets_lost_no_route, 0) AS no_route,
    coalesce(packets_lost_blackhole, 0) AS blackhole,
    coalesce(packets_lost_mtu_exceeded, 0) AS mtu_exceeded,
    coalesce(packets_lost_ttl_expired, 0) AS ttl_expired,
    coalesce(packets_lost_no_route, 0) + coalesce(packets_lost_blackhole, 0)
    + coalesce(packets_lost_mtu_exceeded, 0) + coalesce(packets_lost_ttl_expired, 0) AS lost,
    start_time,
    coalesce(end_time, start_time) AS end_time
  FROM tgw_flows
  WHERE start_time >= $since AND start_time < $until
),
by_destination AS (
  SELECT
    tgw_attachment_id, tgw_pair_attachment_id, tgw_src_vpc_id, tgw_dst_vpc_id, flow_direction, dst_address,
    sum(packets) AS packets,
    sum(no_route) AS no_route,
    sum(blackhole) AS blackhole,
    sum(mtu_exceeded) AS mtu_exceeded,
    sum(ttl_expired) AS ttl_expired,
    sum(lost) AS lost,
    min(CASE WHEN lost > 0 THEN start_time END) AS first_seen,
    max(CASE WHEN lost > 0 THEN end_time END) AS last_seen
  FROM counted
  GROUP BY
    tgw_attachment_id, tgw_pair_attachment_id, tgw_src_vpc_id, tgw_dst_vpc_id, flow_direction, dst_address
),
ranked AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY tgw_attachment_id, tgw_pair_attachment_id, tgw_src_vpc_id, tgw_dst_vpc_id, flow_direction
      ORDER BY lost DESC, dst_address ASC
    ) AS nth
  FROM by_destination
)
SELECT
  tgw_attachment_id AS attachment,
  tgw_pair_attachment_id AS pair_attachment,
  tgw_src_vpc_id AS src_vpc,
  tgw_dst_vpc_id AS dst_vpc,
  flow_direction,
  CAST(sum(lost) AS BIGINT) AS lost,
  CAST(sum(no_route) AS BIGINT) AS no_route,
  CAST(sum(blackhole) AS BIGINT) AS blackhole,
  CAST(sum(mtu_exceeded) AS BIGINT) AS mtu_exceeded,
  CAST(sum(ttl_expired) AS BIGINT) AS ttl_expired,
  CAST(sum(packets) AS BIGINT) AS packets,
  round(CAST(sum(lost) AS DOUBLE) / CAST(sum(packets) + sum(lost) AS DOUBLE), 4) AS share,
  CAST(sum(CASE WHEN lost > 0 THEN 1 ELSE 0 END) AS BIGINT) AS destinations,
  max(CASE WHEN nth = 1 THEN dst_address END) AS top_destination,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM ranked
GROUP BY tgw_attachment_id, tgw_pair_attachment_id, tgw_src_vpc_id, tgw_dst_vpc_id, flow_direction
HAVING sum(lost) > 0
