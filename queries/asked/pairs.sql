-- What was asked about, added up by client, server and port.
--
-- Params:  $ports varchar in each|all|together = each 'A row for each service port, those of a pair with more than 20 as one (each) or not (all), or one row for all of them (together).'
-- Note:    A baseline's ports are counted for themselves: a sweep is new where few were known.
--          `sources` and all that is distinct is not in it: it does not add up.
WITH summed AS (
  SELECT
    client, server,
    CASE WHEN $ports <> 'together' THEN service_port END AS service_port,
    protocol, verdict, reject_cause, scope,
    folded_ports,
    start_time >= $since AS in_window,
    sum(records) AS records,
    sum(connections) AS connections,
    sum(packets_to_server) AS packets_to_server,
    sum(packets_to_client) AS packets_to_client,
    sum(bytes_to_server) AS bytes_to_server,
    sum(bytes_to_client) AS bytes_to_client,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
  FROM asked
  GROUP BY
    client, server, CASE WHEN $ports <> 'together' THEN service_port END, protocol, verdict,
    reject_cause, scope, folded_ports, start_time >= $since
),
swept AS (
  SELECT client, server, verdict, in_window
  FROM summed
  WHERE $ports = 'each'
  GROUP BY client, server, verdict, in_window
  HAVING count(DISTINCT service_port) > 20 OR bool_or(folded_ports)
)
SELECT
  p.client, p.server,
  CASE WHEN s.in_window IS NULL THEN p.service_port END AS service_port,
  s.in_window IS NOT NULL AND (p.service_port IS NOT NULL OR p.folded_ports) AS many_ports,
  p.protocol, p.verdict, p.reject_cause, p.scope, p.in_window, p.records, p.connections,
  p.packets_to_server, p.packets_to_client, p.bytes_to_server, p.bytes_to_client,
  p.first_seen, p.last_seen
FROM summed AS p
LEFT JOIN swept AS s
  ON s.client IS NOT DISTINCT FROM p.client
  AND s.server IS NOT DISTINCT FROM p.server
  AND s.verdict IS NOT DISTINCT FROM p.verdict
  AND s.in_window = p.in_window
