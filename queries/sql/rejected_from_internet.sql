-- Collapse what the internet tried and was refused: one row for each service of yours.
--
-- Params:  $ports varchar in each|all|together = each 'A row for each of the 20 ports of a server that were tried most, the rest as one (each) or not (all), or one row for all of them (together).'
-- Returns: server varchar, service_port integer, many_ports boolean, protocol integer,
--          reject_cause varchar, records bigint, packets bigint, sources bigint, top_source varchar,
--          top_records bigint, first_seen timestamptz, last_seen timestamptz
-- Order:   records desc, server asc, service_port asc, many_ports asc, protocol asc, reject_cause asc
-- Reads:   traffic
-- Fixed:   $verdict = rejected
-- Note:    Sources are distinct addresses of the internet, those of AWS's own services among them,
--          counted exactly; the top source is the one with the most records. With 20 ports of a
--          server of their own, those behind them are one row (`many_ports`).
WITH tried AS (
  SELECT
    server, protocol, reject_cause, client_address, records, packets, first_seen, last_seen,
    CASE WHEN $ports <> 'together' THEN service_port END AS port
  FROM asked
  WHERE client_kind IN ('internet', 'aws_service')
    AND coalesce(server_kind, '') NOT IN ('internet', 'aws_service')
),
ports AS (
  SELECT
    server, port,
    row_number() OVER (PARTITION BY server ORDER BY sum(records) DESC, port ASC) > 20 AS is_folded
  FROM tried
  WHERE $ports = 'each' AND port IS NOT NULL
  GROUP BY server, port
),
by_source AS (
  SELECT
    t.server,
    CASE WHEN NOT coalesce(p.is_folded, FALSE) THEN t.port END AS service_port,
    coalesce(p.is_folded, FALSE) AS many_ports,
    t.protocol, t.reject_cause, t.client_address,
    sum(t.records) AS records,
    sum(t.packets) AS packets,
    min(t.first_seen) AS first_seen,
    max(t.last_seen) AS last_seen
  FROM tried AS t
  LEFT JOIN ports AS p ON p.server IS NOT DISTINCT FROM t.server AND p.port = t.port
  GROUP BY
    t.server, CASE WHEN NOT coalesce(p.is_folded, FALSE) THEN t.port END, coalesce(p.is_folded, FALSE),
    t.protocol, t.reject_cause, t.client_address
),
ranked AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY server, service_port, many_ports, protocol, reject_cause
      ORDER BY records DESC, client_address ASC NULLS LAST
    ) AS nth
  FROM by_source
)
SELECT
  server, service_port, many_ports, protocol, reject_cause,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(coalesce(sum(packets), 0) AS BIGINT) AS packets,
  count(client_address) AS sources,
  max(CASE WHEN nth = 1 THEN client_address END) AS top_source,
  CAST(max(records) AS BIGINT) AS top_records,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM ranked
GROUP BY server, service_port, many_ports, protocol, reject_cause
