-- List who talked to whom for the first time: what the window has and the time before had not.
--
-- Params:  $baseline span = 7d
-- Returns: client varchar, server varchar, service_port integer, many_ports boolean, protocol integer,
--          verdict varchar, known_pair boolean, records bigint, connections bigint, bytes bigint,
--          first_seen timestamptz, last_seen timestamptz
-- Order:   known_pair asc, records desc, client asc, server asc, service_port asc, many_ports asc,
--          protocol asc, verdict asc
-- Key:     client, server, service_port, many_ports, protocol, verdict
-- Reads:   pairs
-- Rolled:  edges
-- Note:    New is a port, protocol and verdict between two ends that the baseline has not: what was
--          only refused before and is let in now is new. A known pair had to do with each other in
--          another way. Of a pair that was swept in the baseline (more than 20 ports) no port is new.
WITH compared AS (
  SELECT
    *,
    bool_or(NOT in_window) OVER (
      PARTITION BY client, server, service_port, many_ports, protocol, verdict
    ) AS is_known,
    bool_or(NOT in_window AND many_ports) OVER (PARTITION BY client, server, protocol, verdict) AS was_swept,
    bool_or(NOT in_window) OVER (PARTITION BY client, server) AS known_pair
  FROM pairs
)
SELECT
  client, server, service_port, many_ports, protocol, verdict, known_pair,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(connections) AS BIGINT) AS connections,
  CAST(sum(bytes_to_server + bytes_to_client) AS BIGINT) AS bytes,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM compared
WHERE in_window AND NOT is_known AND NOT (was_swept AND service_port IS NOT NULL)
GROUP BY client, server, service_port, many_ports, protocol, verdict, known_pair
