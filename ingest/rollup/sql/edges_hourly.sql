-- Who talked to whom, by workload. Of more than 20 ports beside the same ends, verdict
-- and so on, those with the most records keep their rows and the rest share one: a sweep
-- of 65,535 ports is one row, and the service beside it is still there.
WITH placed AS (
  SELECT c.edge AS client, s.edge AS server, f.* EXCLUDE (client, server)
  FROM facts AS f
  JOIN ends AS c ON c.number = f.client
  JOIN ends AS s ON s.number = f.server
),
ports AS (
  SELECT client, server, outcome, service_port, sum(records) AS records
  FROM placed
  WHERE service_port >= 0
  GROUP BY client, server, outcome, service_port
),
ranked AS (
  SELECT
    client, server, outcome, service_port,
    row_number() OVER (
      PARTITION BY client, server, outcome ORDER BY records DESC, service_port
    ) <= $ports_kept AS kept
  FROM ports
),
shown AS (
  SELECT *, CASE WHEN kept THEN service_port ELSE -2 END AS port
  FROM ranked
),
counts AS (
  SELECT client, server, outcome, port, count(*) AS distinct_ports
  FROM shown
  GROUP BY client, server, outcome, port
),
by_address AS (
  SELECT
    p.client, p.server, p.outcome, coalesce(r.port, p.service_port) AS port, p.client_address,
    sum(p.records) AS records,
    sum(p.connections) AS connections,
    sum(p.packets_to_server) AS packets_to_server,
    sum(p.packets_to_client) AS packets_to_client,
    sum(p.bytes_to_server) AS bytes_to_server,
    sum(p.bytes_to_client) AS bytes_to_client,
    min(p.first_seen) AS first_seen,
    max(p.last_seen) AS last_seen
  FROM placed AS p
  LEFT JOIN shown AS r
    ON r.client = p.client AND r.server = p.server AND r.outcome = p.outcome
    AND r.service_port = p.service_port
  GROUP BY p.client, p.server, p.outcome, coalesce(r.port, p.service_port), p.client_address
),
summed AS (
  SELECT
    client, server, outcome, port,
    sum(records) AS records,
    sum(connections) AS connections,
    sum(packets_to_server) AS packets_to_server,
    sum(packets_to_client) AS packets_to_client,
    sum(bytes_to_server) AS bytes_to_server,
    sum(bytes_to_client) AS bytes_to_client,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen,
    count(client_address) AS client_addresses
  FROM by_address
  GROUP BY client, server, outcome, port
),
edges AS (
  SELECT DISTINCT edge, kind, cluster, namespace, workload, az, vpc, account
  FROM ends
)
SELECT
  CAST($hour AS DATE) AS day,
  $hour AS hour,
  c.kind AS client_kind, c.cluster AS client_cluster, c.namespace AS client_namespace,
  c.workload AS client_workload, c.az AS client_az, c.vpc AS client_vpc,
  c.account AS client_account,
  s.kind AS server_kind, s.cluster AS server_cluster, s.namespace AS server_namespace,
  s.workload AS server_workload, s.az AS server_az, s.vpc AS server_vpc,
  s.account AS server_account,
  CASE WHEN t.port >= 0 THEN t.port END AS service_port,
  o.protocol, o.verdict, o.reject_cause, o.scope,
  coalesce(n.distinct_ports, 0) AS distinct_ports,
  CAST(t.records AS BIGINT) AS records,
  CAST(t.connections AS BIGINT) AS connections,
  CAST(t.packets_to_server AS BIGINT) AS packets_to_server,
  CAST(t.packets_to_client AS BIGINT) AS packets_to_client,
  CAST(t.bytes_to_server AS BIGINT) AS bytes_to_server,
  CAST(t.bytes_to_client AS BIGINT) AS bytes_to_client,
  t.first_seen, t.last_seen, t.client_addresses
FROM summed AS t
JOIN edges AS c ON c.edge = t.client
JOIN edges AS s ON s.edge = t.server
JOIN outcomes AS o ON o.number = t.outcome
LEFT JOIN counts AS n
  ON n.client = t.client AND n.server = t.server AND n.outcome = t.outcome AND n.port = t.port
