-- As `traffic`, from the roll-ups by workload: whole days as such, the hours beside them.
--
-- Holds:   $by, $server_by in workload|namespace|cluster|vpc|az|account|scope;
--          $step in hour|day; $split in none|client|server|cause|verdict
-- Returns: client_kind, server_kind, client_cluster, server_cluster, client_namespace, server_namespace,
--          client_label, server_label, client_az, server_az, client_vpc, server_vpc, client_account, server_account,
--          service_port, protocol, verdict, reject_cause, scope
-- Reads:   edges_hourly, edges_daily
WITH edges AS (
  SELECT *
  FROM edges_hourly
  WHERE hour >= $from AND hour < $until AND NOT (day >= $first_day AND day < $last_day)
    AND NOT list_contains(CAST($cut_hours AS TIMESTAMPTZ[]), hour)
  UNION ALL BY NAME
  SELECT *
  FROM edges_daily
  WHERE day >= $first_day AND day < $last_day
),
placed AS (
  SELECT
    * EXCLUDE (client_workload, server_workload, hour),
    client_workload AS client_label,
    server_workload AS server_label,
    coalesce(hour, CAST(day AS TIMESTAMPTZ)) AS start_time,
    coalesce(hour, CAST(day AS TIMESTAMPTZ)) AS hour,
    packets_to_server + packets_to_client AS packets,
    bytes_to_server + bytes_to_client AS bytes,
    service_port IS NULL AND distinct_ports > 0 AS folded_ports,
    CASE WHEN client_kind IN ('network', 'aws_service') THEN client_workload ELSE client_kind END AS client_outside,
    CASE WHEN server_kind IN ('network', 'aws_service') THEN server_workload ELSE server_kind END AS server_outside
  FROM edges
  WHERE verdict IS DISTINCT FROM 'unmatched'
)
SELECT
  *,
  CASE $by
    WHEN 'workload' THEN client_label
    WHEN 'namespace' THEN coalesce(client_namespace, client_outside)
    WHEN 'cluster' THEN coalesce(client_cluster, client_outside)
    WHEN 'vpc' THEN coalesce(client_vpc, client_outside)
    WHEN 'az' THEN coalesce(client_az, client_outside)
    WHEN 'account' THEN coalesce(client_account, client_outside)
    ELSE scope
  END AS client,
  CASE coalesce($server_by, $by)
    WHEN 'workload' THEN server_label
    WHEN 'namespace' THEN coalesce(server_namespace, server_outside)
    WHEN 'cluster' THEN coalesce(server_cluster, server_outside)
    WHEN 'vpc' THEN coalesce(server_vpc, server_outside)
    WHEN 'az' THEN coalesce(server_az, server_outside)
    WHEN 'account' THEN coalesce(server_account, server_outside)
    ELSE scope
  END AS server
FROM placed
