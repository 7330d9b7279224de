-- Say who talked to whom, each packet counted once: client, server, port, and what became of it.
--
-- Returns: client varchar, server varchar, service_port integer, many_ports boolean, protocol integer,
--          verdict varchar, records bigint, connections bigint,
--          packets_to_server bigint, packets_to_client bigint,
--          bytes_to_server bigint, bytes_to_client bigint,
--          first_seen timestamptz, last_seen timestamptz
-- Order:   bytes_to_server desc, client asc, server asc, service_port asc, many_ports asc, protocol asc, verdict asc
-- Reads:   pairs
-- Rolled:  edges
-- Note:    The client opened the conversation; where that is not known it is the source, and the port
--          is null. Connections are openings seen: SYN without ACK. More than 20 ports of a pair are one
--          row (`many_ports`). By workload, namespace, cluster, VPC, zone or account roll-ups answer.
SELECT
  client, server, service_port, many_ports, protocol, verdict,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(connections) AS BIGINT) AS connections,
  CAST(sum(packets_to_server) AS BIGINT) AS packets_to_server,
  CAST(sum(packets_to_client) AS BIGINT) AS packets_to_client,
  CAST(sum(bytes_to_server) AS BIGINT) AS bytes_to_server,
  CAST(sum(bytes_to_client) AS BIGINT) AS bytes_to_client,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM pairs
GROUP BY client, server, service_port, many_ports, protocol, verdict
