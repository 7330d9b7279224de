-- Say what crosses Availability Zones of a Region, who with whom, and what that may cost.
--
-- Returns: client varchar, server varchar, client_az varchar, server_az varchar, crossing varchar,
--          bytes_to_server bigint, bytes_to_client bigint, bytes bigint,
--          estimated_usd double, rate_as_of date
-- Order:   bytes desc, client asc, server asc, client_az asc, server_az asc, crossing asc
-- Reads:   traffic, rates
-- Fixed:   $verdict = accepted, $scope = internal
-- Rolled:  edges
-- Note:    Crossing: `within_vpc`, between two zones of one VPC, which alone is estimated; AWS meters
--          it twice, at the sender and the receiver. `between_vpcs`: what that costs depends on the
--          way, see `peering_and_transit`. `az_unknown`: the zone of an end is not known, so it may
--          cross or not. What stays in a zone or goes to another Region is not here. An estimate by a
--          dated table (`rates`); bills differ: IP bytes, rounding, SKIPDATA, and some services'
--          traffic between zones is free (load balancers to their targets).
WITH rate AS (
  SELECT max(usd_per_gb) AS usd_per_gb, max(as_of) AS as_of
  FROM rates
  WHERE item = 'cross_az'
),
crossed AS (
  SELECT
    client, server, client_az, server_az, bytes_to_server, bytes_to_client,
    CASE
      WHEN client_az IS NULL OR server_az IS NULL THEN 'az_unknown'
      WHEN client_vpc IS DISTINCT FROM server_vpc THEN 'between_vpcs'
      ELSE 'within_vpc'
    END AS crossing
  FROM asked
  WHERE client_az IS NULL
    OR server_az IS NULL
    OR (client_az <> server_az AND split_part(client_az, '-', 1) = split_part(server_az, '-', 1))
)
SELECT
  client, server, client_az, server_az, crossing,
  CAST(sum(bytes_to_server) AS BIGINT) AS bytes_to_server,
  CAST(sum(bytes_to_client) AS BIGINT) AS bytes_to_client,
  CAST(sum(bytes_to_server + bytes_to_client) AS BIGINT) AS bytes,
  CASE
    WHEN crossing = 'within_vpc'
    THEN round(2 * CAST(sum(bytes_to_server + bytes_to_client) AS DOUBLE) / 1073741824 * usd_per_gb, 4)
  END AS estimated_usd,
  as_of AS rate_as_of
FROM crossed
CROSS JOIN rate
GROUP BY client, server, client_az, server_az, crossing, usd_per_gb, as_of
