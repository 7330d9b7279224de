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
--          a row is new if nothing of its kind was rejected in that time before the window. More than 20
--          ports of a pair are one row (`many_ports`). By pod, workload, namespace or cluster roll-ups answer.
WITH ported AS (
  SELECT
    *,
    CASE WHEN $ports <> 'together' THEN service_port END AS port,
    coalesce(client, '') AS client_key,
    coalesce(server, '') AS server_key
  FROM asked
),
swept AS (
  SELECT client_key, server_key
  FROM ported
  WHERE $ports = 'each'
  GROUP BY client_key, server_key
  HAVING count(DISTINCT service_port) > 20 OR bool_or(folded_ports)
),
shown AS (
  SELECT
    p.*,
    s.client_key IS NOT NULL AND (p.port IS NOT NULL OR p.folded_ports) AS many_ports,
    CASE WHEN s.client_key IS NULL THEN p.port END AS shown_port
  FROM ported AS p
  LEFT JOIN swept AS s ON s.client_key = p.client_key AND s.server_key = p.server_key
)
SELECT
  client, server,
  shown_port AS service_port,
  many_ports, protocol, reject_cause,
  CAST(sum(records) FILTER (start_time >= $since) AS BIGINT) AS records,
  CAST(sum(packets) FILTER (start_time >= $since) AS BIGINT) AS packets,
  CAST(sum(bytes) FILTER (start_time >= $since) AS BIGINT) AS bytes,
  CASE
    WHEN
      NOT bool_or(folded_clients AND start_time >= $since)
      AND count(DISTINCT client_address) FILTER (start_time >= $since) <= 1000
    THEN CAST(count(DISTINCT client_address) FILTER (start_time >= $since) AS BIGINT)
  END AS sources,
  min(first_seen) FILTER (start_time >= $since) AS first_seen,
  max(last_seen) FILTER (start_time >= $since) AS last_seen,
  CASE WHEN $from < $since THEN min(start_time) >= $since END AS is_new
FROM shown
GROUP BY client, server, shown_port, many_ports, protocol, reject_cause
HAVING max(start_time) >= $since
