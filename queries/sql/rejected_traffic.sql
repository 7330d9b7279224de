-- Say who was refused by whom: client, server, port, protocol and cause of what was rejected.
--
-- Params:  $ports varchar in each|all|together = each 'A row for each service port, those of a pair with more than 20 as one (each) or not (all), or one row for all of them (together).',
--          $baseline span?
-- Returns: client varchar, server varchar, service_port integer, many_ports boolean, protocol integer,
--          reject_cause varchar, records bigint, packets bigint, bytes bigint, sources bigint,
--          first_seen timestamptz, last_seen timestamptz, is_new boolean
-- Order:   records desc, client asc, server asc, service_port asc, many_ports asc, protocol asc, reject_cause asc
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
    coalesce(client, '') AS client_key,
    coalesce(server, '') AS server_key
  FROM asked
),
swept AS (
  SELECT client_key, server_key, in_window
  FROM ported
  WHERE $ports = 'each'
  GROUP BY client_key, server_key, in_window
  HAVING count(DISTINCT service_port) > 20 OR bool_or(folded_ports)
),
shown AS (
  SELECT
    p.*,
    s.in_window IS NOT NULL AND (p.port IS NOT NULL OR p.folded_ports) AS many_ports,
    CASE WHEN s.in_window IS NULL THEN p.port END AS shown_port
  FROM ported AS p
  LEFT JOIN swept AS s
    ON s.client_key = p.client_key AND s.server_key = p.server_key AND s.in_window = p.in_window
),
swept_before AS (
  SELECT DISTINCT client_key, server_key, protocol, reject_cause
  FROM shown
  WHERE many_ports AND NOT in_window
)
SELECT
  p.client, p.server,
  p.shown_port AS service_port,
  p.many_ports, p.protocol, p.reject_cause,
  CAST(sum(p.records) FILTER (WHERE p.in_window) AS BIGINT) AS records,
  CAST(coalesce(sum(p.packets) FILTER (WHERE p.in_window), 0) AS BIGINT) AS packets,
  CAST(coalesce(sum(p.bytes) FILTER (WHERE p.in_window), 0) AS BIGINT) AS bytes,
  CASE
    WHEN
      NOT bool_or(p.folded_clients AND p.in_window)
      AND count(DISTINCT p.client_address) FILTER (WHERE p.in_window) <= 1000
    THEN count(DISTINCT p.client_address) FILTER (WHERE p.in_window)
  END AS sources,
  min(p.first_seen) FILTER (WHERE p.in_window) AS first_seen,
  max(p.last_seen) FILTER (WHERE p.in_window) AS last_seen,
  CASE
    WHEN $from < $since
    THEN bool_and(p.in_window) AND NOT bool_or(b.client_key IS NOT NULL AND p.shown_port IS NOT NULL)
  END AS is_new
FROM shown AS p
LEFT JOIN swept_before AS b
  ON b.client_key = p.client_key
  AND b.server_key = p.server_key
  AND b.protocol IS NOT DISTINCT FROM p.protocol
  AND b.reject_cause IS NOT DISTINCT FROM p.reject_cause
GROUP BY p.client, p.server, p.shown_port, p.many_ports, p.protocol, p.reject_cause
HAVING bool_or(p.in_window)
