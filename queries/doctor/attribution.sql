-- Who the records' addresses are, and why some are nobody's: both sides of each record.
WITH sides AS (
  SELECT src_kind AS kind, src_attribution AS attribution FROM flows WHERE start_time >= $since
  UNION ALL
  SELECT dst_kind AS kind, dst_attribution AS attribution FROM flows WHERE start_time >= $since
)
SELECT
  kind,
  attribution,
  count(*) AS sides,
  round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS percent
FROM sides
GROUP BY kind, attribution
ORDER BY sides DESC, kind ASC, attribution ASC
