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
ranked AS (
  SELECT
    *,
    dense_rank() OVER (
      PARTITION BY client, server, verdict, in_window ORDER BY service_port ASC NULLS LAST
    ) AS nth_port
  FROM summed
),
judged AS (
  SELECT
    *,
    $ports = 'each' AND (
      max(CASE WHEN service_port IS NOT NULL THEN nth_port END) OVER (
        PARTITION BY client, server, verdict, in_window
      ) > 20
      OR bool_or(folded_ports) OVER (PARTITION BY client, server, verdict, in_window)
    ) AS swept
  FROM ranked
)
SELECT
  client, server,
  CASE WHEN NOT coalesce(swept, FALSE) THEN service_port END AS service_port,
  coalesce(swept, FALSE) AND (service_port IS NOT NULL OR folded_ports) AS many_ports,
  protocol, verdict, reject_cause, scope, in_window, records, connections, packets_to_server,
  packets_to_client, bytes_to_server, bytes_to_client, first_seen, last_seen
FROM judged
