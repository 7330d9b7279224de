-- Say why traffic was refused: what was rejected, by cause and by what tells the cause.
--
-- Returns: reject_cause varchar, reject_evidence varchar, records bigint, share double,
--          connections bigint, packets bigint, clients bigint, servers bigint,
--          first_seen timestamptz, last_seen timestamptz
-- Order:   records desc, reject_cause asc, reject_evidence asc
-- Reads:   traffic
-- Fixed:   $verdict = rejected
-- Note:    Share is of the records that were rejected. Evidence is `log`, `config` or `both`; none:
--          several causes are possible. Late packets come after their connection was closed: they
--          harm nobody. Clients and servers are counted by what they are called.
SELECT
  reject_cause, reject_evidence,
  CAST(sum(records) AS BIGINT) AS records,
  round(CAST(sum(records) AS DOUBLE) / sum(sum(records)) OVER (), 4) AS share,
  CAST(sum(connections) AS BIGINT) AS connections,
  CAST(coalesce(sum(packets), 0) AS BIGINT) AS packets,
  count(DISTINCT client) AS clients,
  count(DISTINCT server) AS servers,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM asked
GROUP BY reject_cause, reject_evidence
