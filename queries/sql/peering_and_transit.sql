-- Say what goes between VPCs, by peering or through a transit gateway, and what that may cost.
--
-- Params:  $by varchar in vpc|account|subnet|az|workload|namespace|cluster|pod|node|instance|eni|owner|network = vpc 'What client and server are called by, beside their VPCs.'
-- Returns: client varchar, server varchar, client_vpc varchar, server_vpc varchar, way varchar,
--          bytes_to_server bigint, bytes_to_client bigint, bytes bigint,
--          estimated_usd double, not_estimated bigint, rate_as_of date
-- Order:   bytes desc, client asc, server asc, client_vpc asc, server_vpc asc, way asc
-- Reads:   traffic, identities, rates
-- Fixed:   $verdict = accepted
-- Note:    Way: `intra_region_peering` and `inter_region_peering`, as a sender's record says
--          (traffic-path 4 and 5); `transit_gateway`, as an interface of one recorded it or a next hop
--          (version 11) names it; a record of either direction tells for both. `unknown`: the VPCs
--          differ, and no record tells the way. What goes by the internet is not here. Estimated by
--          peering: between zones of a Region, metered twice, nothing within one; to another Region at
--          its sender. Of a transit gateway: what it processes, nothing by the hour. `not_estimated`
--          are bytes of an unknown way or zone. An estimate by a dated table (`rates`); bills differ:
--          IP bytes, rounding, SKIPDATA.
WITH transit AS (
  SELECT DISTINCT eni
  FROM identities
  WHERE kind = 'transit_gateway' AND eni IS NOT NULL
),
told_ways AS (
  SELECT
    src_address, dst_address, srcport, dstport, protocol, start_time, end_time,
    CASE
      WHEN traffic_path = 4 THEN 'intra_region_peering'
      WHEN traffic_path = 5 THEN 'inter_region_peering'
      WHEN traffic_path IN (2, 8) AND scope = 'internal' THEN 'internet'
      WHEN
        transit.eni IS NOT NULL
        OR next_hop_interface_type = 'transit_gateway'
        OR interface_type = 'transit_gateway'
      THEN 'transit_gateway'
    END AS way
  FROM flows
  LEFT JOIN transit ON transit.eni = flows.observer
  WHERE start_time >= $from AND start_time < $until
),
both_ways AS (
  SELECT src_address, dst_address, srcport, dstport, protocol, start_time, end_time, way
  FROM told_ways
  WHERE way IS NOT NULL
  UNION ALL
  SELECT
    dst_address AS src_address, src_address AS dst_address, dstport AS srcport, srcport AS dstport,
    protocol, start_time, end_time, way
  FROM told_ways
  WHERE way IS NOT NULL
),
ways AS (
  SELECT
    src_address, dst_address, srcport, dstport, protocol,
    max(way) AS way,
    min(start_time) AS begins,
    max(end_time) AS ends
  FROM both_ways
  GROUP BY src_address, dst_address, srcport, dstport, protocol
),
sent AS (
  SELECT
    asked.client, asked.server, asked.client_vpc, asked.server_vpc,
    asked.bytes_to_server, asked.bytes_to_client,
    asked.bytes_to_server + asked.bytes_to_client AS bytes,
    coalesce(ways.way, 'unknown') AS way,
    CASE
      WHEN ways.way IS NULL THEN NULL
      WHEN ways.way <> 'intra_region_peering' THEN 1
      WHEN asked.client_az = asked.server_az THEN 0
      WHEN asked.client_az <> asked.server_az THEN 2
    END AS times_metered
  FROM asked
  LEFT JOIN ways
    ON ways.src_address = asked.src_address
    AND ways.dst_address = asked.dst_address
    AND ways.srcport = asked.srcport
    AND ways.dstport = asked.dstport
    AND ways.protocol = asked.protocol
    AND ways.begins <= coalesce(asked.end_time, asked.start_time) + INTERVAL 1 MINUTE
    AND ways.ends >= asked.start_time - INTERVAL 1 MINUTE
  WHERE ways.way IS DISTINCT FROM 'internet'
    AND (ways.way IS NOT NULL OR asked.client_vpc <> asked.server_vpc)
)
SELECT
  sent.client, sent.server, sent.client_vpc, sent.server_vpc, sent.way,
  CAST(sum(sent.bytes_to_server) AS BIGINT) AS bytes_to_server,
  CAST(sum(sent.bytes_to_client) AS BIGINT) AS bytes_to_client,
  CAST(sum(sent.bytes) AS BIGINT) AS bytes,
  round(
    CAST(sum(sent.bytes * sent.times_metered) AS DOUBLE) / 1073741824 * price.usd_per_gb, 4
  ) AS estimated_usd,
  CAST(coalesce(sum(CASE WHEN sent.times_metered IS NULL THEN sent.bytes END), 0) AS BIGINT) AS not_estimated,
  price.as_of AS rate_as_of
FROM sent
LEFT JOIN rates AS price
  ON price.item = CASE sent.way
    WHEN 'intra_region_peering' THEN 'cross_az'
    WHEN 'inter_region_peering' THEN 'inter_region'
    ELSE sent.way
  END
GROUP BY
  sent.client, sent.server, sent.client_vpc, sent.server_vpc, sent.way, price.usd_per_gb, price.as_of
