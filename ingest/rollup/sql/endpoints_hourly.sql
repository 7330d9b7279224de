-- What each pod or interface did, by peer workload: a record stands under both its ends.
WITH sided AS (
  SELECT f.client AS number, s.peer, 'client' AS role, o.verdict, f.*
  FROM facts AS f
  JOIN ends AS s ON s.number = f.server
  JOIN outcomes AS o ON o.number = f.outcome
  UNION ALL
  SELECT f.server AS number, c.peer, 'server' AS role, o.verdict, f.*
  FROM facts AS f
  JOIN ends AS c ON c.number = f.client
  JOIN outcomes AS o ON o.number = f.outcome
),
summed AS (
  SELECT
    number, peer, role, verdict,
    CAST(sum(records) AS BIGINT) AS records,
    CAST(sum(connections) AS BIGINT) AS connections,
    CAST(sum(packets_to_server) AS BIGINT) AS packets_to_server,
    CAST(sum(packets_to_client) AS BIGINT) AS packets_to_client,
    CAST(sum(bytes_to_server) AS BIGINT) AS bytes_to_server,
    CAST(sum(bytes_to_client) AS BIGINT) AS bytes_to_client,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
  FROM sided
  GROUP BY number, peer, role, verdict
),
peers AS (
  SELECT DISTINCT peer, kind, cluster, namespace, workload
  FROM ends
)
SELECT
  CAST($hour AS DATE) AS day,
  $hour AS hour,
  e.kind, e.cluster, e.namespace, e.workload, e.pod, e.node, e.eni, e.subnet, e.az, e.vpc,
  e.account,
  t.role,
  p.kind AS peer_kind, p.cluster AS peer_cluster, p.namespace AS peer_namespace,
  p.workload AS peer_workload,
  t.verdict, t.records, t.connections, t.packets_to_server, t.packets_to_client,
  t.bytes_to_server, t.bytes_to_client, t.first_seen, t.last_seen
FROM summed AS t
JOIN ends AS e ON e.number = t.number
JOIN peers AS p ON p.peer = t.peer
WHERE e.pod IS NOT NULL OR e.eni IS NOT NULL
