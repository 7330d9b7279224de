-- Who talked to whom in a day; ports are folded as in an hour, and what an hour has
-- folded stays so: of those the most in any hour is known, which is not the day's number.
WITH numbered AS (
  SELECT
    *,
    dense_rank() OVER (
      ORDER BY
        client_kind, client_cluster, client_namespace, client_workload, client_az, client_vpc,
        client_account, server_kind, server_cluster, server_namespace, server_workload,
        server_az, server_vpc, server_account, protocol, verdict, reject_cause, scope
    ) AS edge
  FROM parts
),
shown AS (
  SELECT
    *,
    CASE
      WHEN port < 0 THEN port
      WHEN row_number() OVER (
        PARTITION BY edge, port >= 0 ORDER BY records DESC, port
      ) <= $ports_kept THEN port
      ELSE -2
    END AS row_port
  FROM numbered
)
SELECT
  $day AS day,
  client_kind, client_cluster, client_namespace, client_workload, client_az, client_vpc,
  client_account, server_kind, server_cluster, server_namespace, server_workload, server_az,
  server_vpc, server_account, protocol, verdict, reject_cause, scope,
  CASE WHEN row_port >= 0 THEN row_port END AS service_port,
  CASE
    WHEN row_port = -1 THEN 0
    WHEN row_port >= 0 THEN 1
    ELSE greatest(
      count(*) FILTER (port >= 0), coalesce(max(distinct_ports) FILTER (port = -2), 0)
    )
  END AS distinct_ports,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(connections) AS BIGINT) AS connections,
  CAST(sum(packets_to_server) AS BIGINT) AS packets_to_server,
  CAST(sum(packets_to_client) AS BIGINT) AS packets_to_client,
  CAST(sum(bytes_to_server) AS BIGINT) AS bytes_to_server,
  CAST(sum(bytes_to_client) AS BIGINT) AS bytes_to_client,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen,
  max(client_addresses) AS client_addresses
FROM shown
GROUP BY
  client_kind, client_cluster, client_namespace, client_workload, client_az, client_vpc,
  client_account, server_kind, server_cluster, server_namespace, server_workload, server_az,
  server_vpc, server_account, protocol, verdict, reject_cause, scope,
  row_port
