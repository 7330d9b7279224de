-- Find clients that keep trying what is refused: how often, how regularly, and for how long.
--
-- Params:  $minutes integer = 3 'In how many different minutes one must have tried.'
-- Returns: client varchar, server varchar, service_port integer, protocol integer,
--          reject_cause varchar, records bigint, connections bigint, packets bigint, minutes bigint,
--          hours bigint, per_hour double, span_s bigint, sources bigint, first_seen timestamptz,
--          last_seen timestamptz
-- Order:   minutes desc, records desc, client asc, server asc, service_port asc, protocol asc,
--          reject_cause asc
-- Reads:   traffic
-- Fixed:   $verdict = rejected
-- Note:    Each address of the internet stands for itself: many that try once are no retry. Per hour
--          are records over the span from the first to the last try, of at least an hour. A record
--          holds the tries of one interval of the log from one port; packets count each of them.
--          A late packet or a connection that was idle for too long is no try.
WITH tries AS (
  SELECT
    *,
    CASE WHEN client_kind IN ('internet', 'aws_service') THEN client_address ELSE client END AS who
  FROM asked
  WHERE coalesce(initiator <> 'dst', TRUE)
    AND (protocol IS DISTINCT FROM 6 OR coalesce(tcp_flags & 18, 2) = 2)  -- SYN without ACK
    AND coalesce(reject_cause, '') NOT IN ('late_packet', 'idle_timeout')
),
summed AS (
  SELECT
    who, server, service_port, protocol, reject_cause,
    CAST(sum(records) AS BIGINT) AS records,
    CAST(sum(connections) AS BIGINT) AS connections,
    CAST(coalesce(sum(packets), 0) AS BIGINT) AS packets,
    count(DISTINCT date_trunc('minute', start_time)) AS minutes,
    count(DISTINCT hour) AS hours,
    date_diff('second', min(first_seen), max(last_seen)) AS span_s,
    count(DISTINCT client_address) AS sources,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
  FROM tries
  GROUP BY who, server, service_port, protocol, reject_cause
)
SELECT
  who AS client, server, service_port, protocol, reject_cause, records, connections, packets, minutes, hours,
  round(CAST(records AS DOUBLE) * 3600 / greatest(span_s, 3600), 1) AS per_hour,
  span_s, sources, first_seen, last_seen
FROM summed
WHERE minutes >= $minutes
