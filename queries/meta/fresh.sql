-- How fresh the objects of a window were read, and what became of their lines: a window by an object's own time.
WITH objects AS (
  SELECT *, date_diff('second', last_end, ingested_at) AS lag_s
  FROM sources
  WHERE coalesce(key_time, last_end, ingested_at) >= $since
)
SELECT
  count(*) AS objects,
  count(whole_reason) AS quarantined_whole,
  CAST(coalesce(sum(lines), 0) AS BIGINT) AS lines,
  CAST(coalesce(sum(quarantined), 0) AS BIGINT) AS quarantined,
  CAST(quantile_disc(lag_s, 0.5) AS BIGINT) AS lag_p50_s,
  CAST(quantile_disc(lag_s, 0.95) AS BIGINT) AS lag_p95_s,
  CAST(max(lag_s) AS BIGINT) AS lag_max_s
FROM objects
