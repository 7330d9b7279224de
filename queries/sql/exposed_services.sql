-- List what the internet reaches: each service of yours that let it in.
--
-- Returns: server varchar, service_port integer, protocol integer, answered boolean,
--          connections bigint, records bigint, bytes_to_server bigint, bytes_to_client bigint,
--          sources bigint, first_seen timestamptz, last_seen timestamptz
-- Order:   connections desc, records desc, server asc, service_port asc, protocol asc
-- Reads:   traffic
-- Fixed:   $verdict = accepted
-- Note:    Only where it is known that the internet, or one of AWS's services in it, opened the
--          conversation. Answered: something else than a reset came back; else the rules let it in
--          and nobody was seen to listen. Sources are distinct addresses, counted exactly.
SELECT
  server, service_port, protocol,
  bool_or(packets_to_client > 0 AND coalesce(tcp_flags & 7, 0) <> 4) AS answered,
  CAST(sum(connections) AS BIGINT) AS connections,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(bytes_to_server) AS BIGINT) AS bytes_to_server,
  CAST(sum(bytes_to_client) AS BIGINT) AS bytes_to_client,
  count(DISTINCT client_address) AS sources,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM asked
WHERE client_kind IN ('internet', 'aws_service')
  AND coalesce(server_kind, '') NOT IN ('internet', 'aws_service')
  AND service_port IS NOT NULL
GROUP BY server, service_port, protocol
