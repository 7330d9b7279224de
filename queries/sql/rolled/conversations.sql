-- Answer `conversations` from the roll-ups of its edges, by what they tell apart.
--
-- Holds:   $by in workload|namespace|vpc|az; without $pod, $node, $address, $network, $port
-- Reads:   edges_hourly, edges_daily
-- Note:    Whole days are read as such, [$first_day, $last_day), the hours beside them as
--          hours. Where ports were folded that are asked for one by one, no port of those
--          ends is known for sure: it has at most the bytes of all of them. Such rows stand
--          where that would place them, and do not hold; without one among the first, the
--          first are right.
WITH edges AS (
  SELECT *
  FROM edges_hourly
  WHERE hour >= $since AND hour < $until AND NOT (day >= $first_day AND day < $last_day)
  UNION ALL BY NAME
  SELECT *
  FROM edges_daily
  WHERE day >= $first_day AND day < $last_day
),
placed AS (
  SELECT
    *,
    CASE WHEN client_kind IN ('network', 'aws_service') THEN client_workload ELSE client_kind END AS client_outside,
    CASE WHEN server_kind IN ('network', 'aws_service') THEN server_workload ELSE server_kind END AS server_outside
  FROM edges
),
named AS (
  SELECT
    CASE $by
      WHEN 'workload' THEN client_workload
      WHEN 'namespace' THEN coalesce(client_namespace, client_outside)
      WHEN 'vpc' THEN coalesce(client_vpc, client_outside)
      ELSE coalesce(client_az, client_outside)
    END AS client,
    CASE $by
      WHEN 'workload' THEN server_workload
      WHEN 'namespace' THEN coalesce(server_namespace, server_outside)
      WHEN 'vpc' THEN coalesce(server_vpc, server_outside)
      ELSE coalesce(server_az, server_outside)
    END AS server,
    CASE WHEN $ports = 'each' THEN service_port END AS service_port,
    $ports = 'each' AND service_port IS NULL AND distinct_ports > 0 AS folded,
    protocol, verdict, records, connections, packets_to_server, packets_to_client,
    bytes_to_server, bytes_to_client, first_seen, last_seen
  FROM placed
  WHERE verdict IS DISTINCT FROM 'unmatched'
    AND ($verdict IS NULL OR verdict = $verdict)
    AND ($workload IS NULL OR server_workload IN $workload OR client_workload IN $workload)
    AND ($namespace IS NULL OR server_namespace IN $namespace OR client_namespace IN $namespace)
    AND ($cluster IS NULL OR server_cluster IN $cluster OR client_cluster IN $cluster)
    AND ($vpc IS NULL OR server_vpc IN $vpc OR client_vpc IN $vpc)
    AND ($account IS NULL OR server_account IN $account OR client_account IN $account)
    AND ($protocol IS NULL OR protocol IN $protocol)
),
summed AS (
  SELECT
    client, server, service_port, protocol, verdict,
    CAST(sum(records) AS BIGINT) AS records,
    CAST(sum(connections) AS BIGINT) AS connections,
    CAST(sum(packets_to_server) AS BIGINT) AS packets_to_server,
    CAST(sum(packets_to_client) AS BIGINT) AS packets_to_client,
    CAST(sum(bytes_to_server) AS BIGINT) AS bytes_to_server,
    CAST(sum(bytes_to_client) AS BIGINT) AS bytes_to_client,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen,
    bool_or(folded) AS folded
  FROM named
  GROUP BY client, server, service_port, protocol, verdict
),
bounded AS (
  SELECT
    * EXCLUDE (folded),
    bool_or(folded) OVER ports AS unsure,
    CASE WHEN bool_or(folded) OVER ports THEN sum(bytes_to_server) OVER ports ELSE bytes_to_server END
    AS bytes_at_most
  FROM summed
  WINDOW ports AS (PARTITION BY client, server, protocol, verdict)
)
SELECT * EXCLUDE (unsure, bytes_at_most), NOT unsure AS holds
FROM bounded
ORDER BY
  bytes_at_most DESC,
  unsure DESC,
  client ASC NULLS LAST,
  server ASC NULLS LAST,
  service_port ASC NULLS LAST,
  protocol ASC NULLS LAST,
  verdict ASC NULLS LAST
LIMIT $limit
