-- Add up one day's hours as they stand, its ports numbered: -1 undecided, -2 folded.
CREATE OR REPLACE TEMP TABLE parts AS
SELECT
  client_kind, client_cluster, client_namespace, client_workload, client_az, client_vpc,
  client_account, server_kind, server_cluster, server_namespace, server_workload, server_az,
  server_vpc, server_account, protocol, verdict, reject_cause, scope,
  CASE WHEN service_port IS NOT NULL THEN service_port WHEN distinct_ports = 0 THEN -1 ELSE -2 END
  AS port,
  max(distinct_ports) AS distinct_ports,
  sum(records) AS records,
  sum(connections) AS connections,
  sum(packets_to_server) AS packets_to_server,
  sum(packets_to_client) AS packets_to_client,
  sum(bytes_to_server) AS bytes_to_server,
  sum(bytes_to_client) AS bytes_to_client,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen,
  max(client_addresses) AS client_addresses
FROM hours
GROUP BY ALL
