-- Find what your own workloads refuse each other, what worked before first.
--
-- Params:  $baseline span = 24h 'How long before the window is looked at for what was let in.'
-- Returns: client varchar, server varchar, service_port integer, protocol integer,
--          reject_cause varchar, worked_before boolean, both_known boolean, connections bigint,
--          records bigint, packets bigint, sources bigint, first_seen timestamptz,
--          last_seen timestamptz, last_accepted timestamptz
-- Order:   worked_before desc, both_known desc, connections desc, records desc, client asc, server asc,
--          service_port asc, protocol asc, reject_cause asc
-- Reads:   traffic
-- Fixed:   $verdict = accepted|rejected, $scope = internal
-- Note:    Worked before: the same was let in, in the direction that is refused, in the window or its
--          baseline before it was first refused. It is null for late packets and idle timeouts, which
--          belong to connections that were let in. `last_accepted` after `last_seen`: it works again,
--          or works for some of the client's addresses (`sources`: how many were refused).
WITH marked AS (
  SELECT
    *,
    coalesce(initiator <> 'dst', TRUE) AS to_server,
    verdict = 'rejected' AND start_time >= $since AS is_refused,
    client_kind IS NOT NULL AND server_kind IS NOT NULL AS is_known
  FROM asked
),
summed AS (
  SELECT
    client, server, service_port, protocol, to_server, reject_cause, is_refused,
    CASE WHEN is_refused THEN client_address END AS source,
    bool_and(is_known) AS both_known,
    sum(connections) AS connections,
    sum(records) AS records,
    sum(packets) AS packets,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
  FROM marked
  WHERE is_refused OR verdict = 'accepted'
  GROUP BY
    client, server, service_port, protocol, to_server, reject_cause, is_refused,
    CASE WHEN is_refused THEN client_address END
),
compared AS (
  SELECT
    *,
    min(CASE WHEN is_refused THEN first_seen END) OVER (
      PARTITION BY client, server, service_port, protocol, to_server, reject_cause
    ) AS first_refused,
    min(CASE WHEN NOT is_refused THEN first_seen END) OVER (
      PARTITION BY client, server, service_port, protocol, to_server
    ) AS first_accepted,
    max(CASE WHEN NOT is_refused THEN last_seen END) OVER (
      PARTITION BY client, server, service_port, protocol, to_server
    ) AS last_accepted
  FROM summed
)
SELECT
  client, server, service_port, protocol, reject_cause,
  bool_or(
    CASE
      WHEN coalesce(reject_cause, '') NOT IN ('late_packet', 'idle_timeout')
      THEN coalesce(first_accepted < first_refused, FALSE)
    END
  ) AS worked_before,
  bool_and(both_known) AS both_known,
  CAST(sum(connections) AS BIGINT) AS connections,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(coalesce(sum(packets), 0) AS BIGINT) AS packets,
  count(DISTINCT source) AS sources,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen,
  max(last_accepted) AS last_accepted
FROM compared
WHERE is_refused
GROUP BY client, server, service_port, protocol, reject_cause
