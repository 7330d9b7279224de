-- One hour of a cluster's traffic: $rows records among some thousand pods, of which
-- 300 workloads talk to some others each, and the internet comes and knocks.
WITH numbered AS (
  SELECT
    i,
    hash(i, $hour, 1) % 1000 / 1000.0 AS dice,
    hash(i, $hour, 2) % 5000 AS one,
    hash(i, $hour, 3) % 8 AS friend,
    hash(i, $hour, 4) % 3600 AS second,
    hash(i, $hour, 5) AS more
  FROM range($rows) AS numbers (i)
),
paired AS (
  SELECT
    *,
    -- A workload's pods talk to those of eight workloads, always the same.
    (one % 300 * 37 + friend * 11) % 300 + 300 * (more % 16) AS other,
    CASE WHEN dice < 0.70 THEN 'inside' WHEN dice < 0.85 THEN 'out' ELSE 'in' END AS way,
    hash(i, $hour, 6) % 100 < CASE WHEN dice >= 0.85 THEN 40 ELSE 2 END AS refused,
    hash(i, $hour, 7) % 2 = 0 AS reply
  FROM numbered
),
ended AS (
  SELECT
    *,
    CASE WHEN way = 'in' THEN NULL ELSE one END AS client,
    CASE WHEN way = 'out' THEN NULL ELSE other END AS server,
    CASE WHEN refused AND way = 'in' THEN 1 + more % 40 ELSE 443 + friend END AS port
  FROM paired
)
SELECT
  CAST($begin AS TIMESTAMPTZ) + to_seconds(CAST(second AS BIGINT)) AS start_time,
  CAST($begin AS TIMESTAMPTZ) + to_seconds(CAST(second + 50 AS BIGINT)) AS end_time,
  CAST('111111111111' AS VARCHAR) AS account_id,
  CAST(6 AS INTEGER) AS protocol,
  CAST(32768 + more % 20000 AS INTEGER) AS srcport,
  CAST(port AS INTEGER) AS dstport,
  CASE WHEN refused THEN 'REJECT' ELSE 'ACCEPT' END AS action,
  'OK' AS log_status,
  CAST(2 AS INTEGER) AS tcp_flags,
  CAST(1 + more % 50 AS BIGINT) AS packets,
  CAST((1 + more % 50) * 600 AS BIGINT) AS bytes,
  'ingress' AS direction,
  'eni-' || coalesce(server, client) AS observer,
  'eni-' || coalesce(server, client) AS interface_id,
  CASE way WHEN 'inside' THEN 'internal' WHEN 'out' THEN 'outbound' ELSE 'inbound' END AS scope,
  TRUE AS counted,
  TRUE AS settled,
  CASE WHEN refused THEN 'rejected' ELSE 'accepted' END AS verdict,
  CASE WHEN refused THEN 'undetermined' END AS reject_cause,
  'src' AS initiator,
  CAST(port AS INTEGER) AS service_port,
  's' AS source_object,
  CASE WHEN client IS NULL THEN 'internet' ELSE 'pod' END AS src_kind,
  CASE WHEN server IS NULL THEN 'internet' ELSE 'pod' END AS dst_kind,
  CASE WHEN client IS NOT NULL THEN 'shop' END AS src_cluster,
  CASE WHEN server IS NOT NULL THEN 'shop' END AS dst_cluster,
  'team-' || client % 300 % 20 AS src_namespace,
  'team-' || server % 300 % 20 AS dst_namespace,
  'work-' || client % 300 AS src_workload,
  'work-' || server % 300 AS dst_workload,
  'work-' || client % 300 || '-' || client AS src_pod,
  'work-' || server % 300 || '-' || server AS dst_pod,
  'node-' || client % 100 AS src_node,
  'node-' || server % 100 AS dst_node,
  'eni-' || client AS src_eni,
  'eni-' || server AS dst_eni,
  'subnet-' || client % 6 AS src_subnet,
  'subnet-' || server % 6 AS dst_subnet,
  CASE WHEN client IS NOT NULL THEN 'vpc-1' END AS src_vpc,
  CASE WHEN server IS NOT NULL THEN 'vpc-1' END AS dst_vpc,
  'use1-az' || client % 3 AS src_az,
  'use1-az' || server % 3 AS dst_az,
  CASE WHEN client IS NOT NULL THEN '111111111111' END AS src_account,
  CASE WHEN server IS NOT NULL THEN '111111111111' END AS dst_account,
  CASE WHEN client IS NULL THEN '198.' || more % 50 || '.' || more % 251 || '.' || more % 7
    ELSE '10.0.' || client // 250 || '.' || client % 250 END AS src_address,
  CASE WHEN server IS NULL THEN '203.' || more % 50 || '.' || more % 251 || '.' || more % 7
    ELSE '10.0.' || server // 250 || '.' || server % 250 END AS dst_address,
  CASE WHEN client IS NOT NULL THEN 'exact' END AS src_attribution,
  CASE WHEN server IS NOT NULL THEN 'exact' END AS dst_attribution
FROM ended
