-- What was rejected, by source, server and port. Sources past the first 1,000 of a server
-- are `other`, known by their workload alone; more than 20 ports of one source and server
-- are one row a protocol and cause. What is folded is decided by whole addresses; then those
-- that are not to be kept give way to what stands for them.
WITH rejected AS (
  SELECT
    f.server, c.source, c.crowd, f.client_address, f.service_port, o.protocol, o.reject_cause,
    f.records,
    f.packets_to_server + f.packets_to_client AS packets,
    f.bytes_to_server + f.bytes_to_client AS bytes,
    f.first_seen, f.last_seen
  FROM facts AS f
  JOIN ends AS c ON c.number = f.client
  JOIN outcomes AS o ON o.number = f.outcome
  WHERE o.verdict = 'rejected'
),
sources AS (
  SELECT server, source, client_address, sum(records) AS records
  FROM rejected
  GROUP BY server, source, client_address
),
named AS (
  SELECT server, source, client_address
  FROM sources
  QUALIFY row_number() OVER (
    PARTITION BY server ORDER BY records DESC, client_address, source
  ) <= $sources_kept
),
placed AS (
  SELECT
    r.* EXCLUDE (source),
    CASE WHEN n.server IS NOT NULL THEN r.client_address END AS source_address,
    coalesce(n.source, 0) AS source  -- 0: `other`, by its crowd
  FROM rejected AS r
  LEFT JOIN named AS n
    ON n.server = r.server AND n.source = r.source
    AND n.client_address IS NOT DISTINCT FROM r.client_address
),
ports AS (
  SELECT
    server, source, crowd, source_address, service_port,
    count(*) OVER (PARTITION BY server, source, crowd, source_address) > $ports_kept AS folded
  FROM placed
  WHERE service_port >= 0
  GROUP BY server, source, crowd, source_address, service_port
),
shown AS (
  SELECT
    p.* EXCLUDE (source_address),
    CASE WHEN h.source IS NULL THEN p.source_address ELSE h.stands END AS source_address,
    CASE WHEN q.folded THEN -2 ELSE p.service_port END AS port
  FROM placed AS p
  LEFT JOIN hidden AS h ON h.source = p.source AND h.address = p.source_address
  LEFT JOIN ports AS q
    ON q.server = p.server AND q.source = p.source AND q.crowd = p.crowd
    AND q.service_port = p.service_port
    AND q.source_address IS NOT DISTINCT FROM p.source_address
),
summed AS (
  SELECT
    server, source, crowd, source_address, port, protocol, reject_cause,
    count(DISTINCT service_port) FILTER (service_port >= 0) AS distinct_ports,
    count(DISTINCT client_address) AS source_addresses,
    CAST(sum(records) AS BIGINT) AS records,
    CAST(sum(packets) AS BIGINT) AS packets,
    CAST(sum(bytes) AS BIGINT) AS bytes,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
  FROM shown
  GROUP BY server, source, crowd, source_address, port, protocol, reject_cause
),
names AS (
  SELECT DISTINCT source, kind, pod
  FROM ends
),
crowds AS (
  SELECT DISTINCT crowd, cluster, namespace, workload
  FROM ends
)
SELECT
  CAST($hour AS DATE) AS day,
  $hour AS hour,
  t.source_address,
  CASE WHEN t.source = 0 THEN 'other' ELSE n.kind END AS source_kind,
  w.cluster AS source_cluster, w.namespace AS source_namespace,
  w.workload AS source_workload, n.pod AS source_pod,
  s.kind AS server_kind, s.cluster AS server_cluster, s.namespace AS server_namespace,
  s.workload AS server_workload, s.pod AS server_pod, s.node AS server_node,
  s.eni AS server_eni, s.subnet AS server_subnet, s.az AS server_az, s.vpc AS server_vpc,
  s.account AS server_account,
  CASE WHEN t.port >= 0 THEN t.port END AS service_port,
  t.protocol, t.reject_cause, t.distinct_ports, t.source_addresses,
  t.records, t.packets, t.bytes, t.first_seen, t.last_seen
FROM summed AS t
JOIN ends AS s ON s.number = t.server
JOIN crowds AS w ON w.crowd = t.crowd
LEFT JOIN names AS n ON n.source = t.source
