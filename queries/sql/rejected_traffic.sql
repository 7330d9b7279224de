-- Say who was refused by whom: client, server, port, protocol and cause of what was rejected.
--
-- Params:  $ports varchar in each|all|together = each 'A row for each service port, those of a pair with more than 20 as one (each) or not (all), or one row for all of them (together).',
--          $baseline span?
-- Returns: client varchar, server varchar, service_port integer, many_ports boolean, protocol integer,
--          reject_cause varchar, records bigint, packets bigint, bytes bigint, sources bigint,
--          first_seen timestamptz, last_seen timestamptz, is_new boolean
-- Order:   records desc, client asc, server asc, service_port asc, many_ports asc, protocol asc, reject_cause asc
-- Late:    sources
-- Reads:   traffic
-- Fixed:   $verdict = rejected
-- Rolled:  rejections
-- Note:    Sources are distinct packet addresses of the client; null: more than 1,000. With a baseline,
--          a row is new if nothing of its kind was rejected in that time before the window; of a pair that
--          was swept then no port is new. More than 20 ports of a pair are one row (`many_ports`). By pod,
--          workload, namespace or cluster roll-ups answer.
WITH ported AS (
  SELECT
    *,
    start_time >= $since AS in_window,
    CASE WHEN $ports <> 'together' THEN service_port END AS port,
    folded_ports AND $ports <> 'together' AS has_many
  FROM asked
),
summed AS (
  SELECT
    client, server, port, has_many, protocol, reject_cause, in_window,
    sum(records) AS records,
    sum(packets) AS packets,
    sum(bytes) AS bytes,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
  FROM ported
  GROUP BY client, server, port, has_many, protocol, reject_cause, in_window
),
swept AS (
  SELECT client, server, in_window
  FROM summed
  WHERE $ports = 'each'
  GROUP BY client, server, in_window
  HAVING count(DISTINCT port) > 20 OR bool_or(has_many)
),
placed AS (
  SELECT
    p.*,
    s.in_window IS NOT NULL AND (p.port IS NOT NULL OR p.has_many) AS many_ports,
    CASE WHEN s.in_window IS NULL THEN p.port END AS service_port
  FROM summed AS p
  LEFT JOIN swept AS s
    ON s.client IS NOT DISTINCT FROM p.client
    AND s.server IS NOT DISTINCT FROM p.server
    AND s.in_window = p.in_window
),
swept_before AS (
  SELECT DISTINCT client, server, protocol, reject_cause, many_ports
  FROM placed
  WHERE many_ports AND NOT in_window
),
found AS (
  SELECT
    p.client, p.server, p.service_port, p.many_ports, p.protocol, p.reject_cause,
    CAST(sum(p.records) FILTER (WHERE p.in_window) AS BIGINT) AS records,
    CAST(coalesce(sum(p.packets) FILTER (WHERE p.in_window), 0) AS BIGINT) AS packets,
    CAST(coalesce(sum(p.bytes) FILTER (WHERE p.in_window), 0) AS BIGINT) AS bytes,
    min(p.first_seen) FILTER (WHERE p.in_window) AS first_seen,
    max(p.last_seen) FILTER (WHERE p.in_window) AS last_seen,
    CASE
      WHEN $from < $since
      THEN bool_and(p.in_window) AND NOT bool_or(b.many_ports IS NOT NULL AND p.service_port IS NOT NULL)
    END AS is_new
  FROM placed AS p
  LEFT JOIN swept_before AS b
    ON b.client IS NOT DISTINCT FROM p.client
    AND b.server IS NOT DISTINCT FROM p.server
    AND b.protocol IS NOT DISTINCT FROM p.protocol
    AND b.reject_cause IS NOT DISTINCT FROM p.reject_cause
  GROUP BY p.client, p.server, p.service_port, p.many_ports, p.protocol, p.reject_cause
  HAVING bool_or(p.in_window)
),
sourced AS (
  SELECT
    r.client, r.server, r.service_port, r.many_ports, r.protocol, r.reject_cause,
    CASE
      WHEN NOT bool_or(p.folded_clients) AND count(DISTINCT p.client_address) <= 1000
      THEN count(DISTINCT p.client_address)
    END AS sources
  FROM shown AS r
  JOIN ported AS p
    ON p.client IS NOT DISTINCT FROM r.client
    AND p.server IS NOT DISTINCT FROM r.server
    AND p.protocol IS NOT DISTINCT FROM r.protocol
    AND p.reject_cause IS NOT DISTINCT FROM r.reject_cause
    AND CASE
      WHEN r.many_ports THEN p.port IS NOT NULL OR p.has_many
      ELSE p.port IS NOT DISTINCT FROM r.service_port AND NOT p.has_many
    END
  WHERE p.in_window
  GROUP BY r.client, r.server, r.service_port, r.many_ports, r.protocol, r.reject_cause
)
SELECT
  r.client, r.server, r.service_port, r.many_ports, r.protocol, r.reject_cause, r.records, r.packets, r.bytes,
  s.sources, r.first_seen, r.last_seen, r.is_new
FROM shown AS r
LEFT JOIN sourced AS s
  ON s.client IS NOT DISTINCT FROM r.client
  AND s.server IS NOT DISTINCT FROM r.server
  AND s.service_port IS NOT DISTINCT FROM r.service_port
  AND s.many_ports = r.many_ports
  AND s.protocol IS NOT DISTINCT FROM r.protocol
  AND s.reject_cause IS NOT DISTINCT FROM r.reject_cause
