-- Rank those who talk most: what each end sent and received, and how much of it was rejected.
--
-- Returns: key varchar, records bigint, connections bigint, packets bigint, bytes bigint,
--          bytes_sent bigint, bytes_received bigint, rejected bigint,
--          first_seen timestamptz, last_seen timestamptz
-- Order:   bytes desc, key asc
-- Reads:   traffic
-- Rolled:  edges
-- Note:    A record stands under both its ends, so rows overlap; one whose ends are called alike
--          stands there once. Rejected is of records. By port only servers stand there.
WITH sides AS (
  SELECT
    client AS key, records, connections, packets, bytes, bytes_to_server AS bytes_sent,
    bytes_to_client AS bytes_received, verdict, first_seen, last_seen
  FROM asked
  WHERE $by <> 'port'
  UNION ALL
  SELECT
    server AS key, records, connections, packets, bytes, bytes_to_client AS bytes_sent,
    bytes_to_server AS bytes_received, verdict, first_seen, last_seen
  FROM asked
  WHERE $by = 'port' OR client IS DISTINCT FROM server
)
SELECT
  key,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(connections) AS BIGINT) AS connections,
  CAST(coalesce(sum(packets), 0) AS BIGINT) AS packets,
  CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes,
  CAST(sum(bytes_sent) AS BIGINT) AS bytes_sent,
  CAST(sum(bytes_received) AS BIGINT) AS bytes_received,
  CAST(coalesce(sum(CASE WHEN verdict = 'rejected' THEN records END), 0) AS BIGINT) AS rejected,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM sides
GROUP BY key
