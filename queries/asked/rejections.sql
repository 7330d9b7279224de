-- As `traffic`, of what was rejected, from the roll-up by pod, interface and address.
--
-- Holds:   $by in pod|workload|namespace|cluster;
--          $server_by in pod|workload|namespace|cluster|node|eni|subnet|vpc|az|account; $verdict in rejected
-- Returns: client_kind, server_kind, client_cluster, server_cluster, client_namespace, server_namespace,
--          client_label, server_label, client_pod, server_pod, service_port, verdict, folded_clients
-- Reads:   rejections_hourly
-- Note:    Sources past the first 1,000 of a server and hour are known by their workload
--          alone: `unsure` tells if that leaves an answer in doubt.
WITH placed AS (
  SELECT
    day,
    hour,
    hour AS start_time,
    source_address AS client_address,
    coalesce(source_kind = 'other', FALSE) AS folded_clients,
    CASE
      WHEN source_kind <> 'other' THEN source_kind
      WHEN source_workload = 'internet' THEN 'internet'
    END AS client_kind,
    source_addresses AS client_addresses,
    source_cluster AS client_cluster,
    source_namespace AS client_namespace,
    source_workload AS client_label,
    source_pod AS client_pod,
    server_kind, server_cluster, server_namespace, server_pod, server_node, server_eni, server_subnet,
    server_vpc, server_az, server_account,
    server_workload AS server_label,
    service_port IS NULL AND distinct_ports > 0 AS folded_ports,
    service_port, protocol, 'rejected' AS verdict, reject_cause, records, packets, bytes, first_seen, last_seen,
    CASE WHEN server_kind IN ('network', 'aws_service') THEN server_workload ELSE server_kind END AS server_outside,
    CASE
      WHEN source_kind IN ('network', 'aws_service', 'other') THEN source_workload ELSE source_kind
    END AS client_outside
  FROM rejections_hourly
  WHERE hour >= $from AND hour < $until
    AND NOT list_contains(CAST($cut_hours AS TIMESTAMPTZ[]), hour)
)
SELECT
  *,
  CASE $by
    WHEN 'pod' THEN coalesce(client_pod, client_label)
    WHEN 'workload' THEN client_label
    WHEN 'namespace' THEN coalesce(client_namespace, client_outside)
    ELSE coalesce(client_cluster, client_outside)
  END AS client,
  CASE coalesce($server_by, $by)
    WHEN 'pod' THEN coalesce(server_pod, server_label)
    WHEN 'workload' THEN server_label
    WHEN 'namespace' THEN coalesce(server_namespace, server_outside)
    WHEN 'cluster' THEN coalesce(server_cluster, server_outside)
    WHEN 'node' THEN coalesce(server_node, server_label)
    WHEN 'eni' THEN coalesce(server_eni, server_outside)
    WHEN 'subnet' THEN coalesce(server_subnet, server_outside)
    WHEN 'vpc' THEN coalesce(server_vpc, server_outside)
    WHEN 'az' THEN coalesce(server_az, server_outside)
    ELSE coalesce(server_account, server_outside)
  END AS server
FROM placed
