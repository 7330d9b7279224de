-- What has been read, and how far it reaches.
SELECT
  count(*) AS ingested,
  count(whole_reason) AS quarantined_whole,
  CAST(coalesce(sum(size), 0) AS BIGINT) AS bytes,
  CAST(coalesce(sum(lines), 0) AS BIGINT) AS lines,
  CAST(coalesce(sum(quarantined), 0) AS BIGINT) AS quarantined,
  min(ingested_at) AS first_ingested,
  max(ingested_at) AS last_ingested,
  max(last_end) AS data_through,
  -- A clock that is ahead tells nothing newer than when it was read.
  max(least(last_end, ingested_at)) FILTER (WHERE last_end IS NOT NULL) AS heard_through
FROM sources
