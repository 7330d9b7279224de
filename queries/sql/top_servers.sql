-- Rank what is spoken to most: server, port and protocol, by what went both ways.
--
-- Returns: server varchar, service_port integer, many_ports boolean, protocol integer,
--          records bigint, connections bigint, packets bigint, bytes bigint, rejected bigint,
--          first_seen timestamptz, last_seen timestamptz
-- Order:   bytes desc, server asc, service_port asc, many_ports asc, protocol asc
-- Reads:   pairs
-- Rolled:  edges
-- Note:    A server answered, or would have; where it is not known who began, it is the destination
--          and the port is null. Packets and bytes are of both directions; rejected is of records.
SELECT
  server, service_port, many_ports, protocol,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(connections) AS BIGINT) AS connections,
  CAST(sum(packets_to_server + packets_to_client) AS BIGINT) AS packets,
  CAST(sum(bytes_to_server + bytes_to_client) AS BIGINT) AS bytes,
  CAST(coalesce(sum(CASE WHEN verdict = 'rejected' THEN records END), 0) AS BIGINT) AS rejected,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM pairs
GROUP BY server, service_port, many_ports, protocol
