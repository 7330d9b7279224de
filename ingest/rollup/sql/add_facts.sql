-- Add up one batch by who talked to whom.
INSERT INTO parts
SELECT
  client, server, outcome, service_port, client_address,
  count(*),
  count_if(connection),
  coalesce(sum(packets) FILTER (to_server), 0),
  coalesce(sum(packets) FILTER (NOT to_server), 0),
  coalesce(sum(bytes) FILTER (to_server), 0),
  coalesce(sum(bytes) FILTER (NOT to_server), 0),
  min(start_time),
  max(end_time)
FROM batch
GROUP BY client, server, outcome, service_port, client_address
