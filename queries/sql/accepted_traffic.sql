-- Say who was let in by whom, each packet counted once: client, server, port and protocol.
--
-- Returns: client varchar, server varchar, service_port integer, many_ports boolean, protocol integer,
--          records bigint, connections bigint, packets bigint, bytes bigint,
--          first_seen timestamptz, last_seen timestamptz
-- Order:   bytes desc, client asc, server asc, service_port asc, many_ports asc, protocol asc
-- Reads:   pairs
-- Fixed:   $verdict = accepted
-- Rolled:  edges
-- Note:    Packets and bytes are of both directions. What was let in and never confirmed to
--          arrive, such as a scan of a NAT gateway, is not accepted.
SELECT
  client, server, service_port, many_ports, protocol,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(connections) AS BIGINT) AS connections,
  CAST(sum(packets_to_server + packets_to_client) AS BIGINT) AS packets,
  CAST(sum(bytes_to_server + bytes_to_client) AS BIGINT) AS bytes,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM pairs
GROUP BY client, server, service_port, many_ports, protocol
