-- Say what could not be read and why: reasons, how many objects and lines, and an example of each.
--
-- Params:  $since timestamptz = 24h, $until timestamptz = now
-- Returns: reason varchar, objects bigint, whole_objects bigint, lines bigint,
--          first_seen timestamptz, last_seen timestamptz, detail varchar, example varchar
-- Order:   objects desc, lines desc, reason asc
-- Reads:   quarantine, sources
-- Note:    The window is by an object's own time, as in `freshness`: that in its name, else the end of
--          its last record, else when it was read. Lines are those kept (FLOWLAKE_MAX_QUARANTINE_ROWS an
--          object); `quarantined` in `sources` counts all. Whole objects had nothing that can be read.
--          Detail says what is wrong with one of them and what to do; the example is its first 120
--          characters.
WITH objects AS (
  SELECT source_object, max(coalesce(key_time, last_end)) AS object_time
  FROM sources
  GROUP BY source_object
),
timed AS (
  SELECT q.*, coalesce(o.object_time, q.quarantined_at) AS object_time
  FROM quarantine AS q
  LEFT JOIN objects AS o ON o.source_object = q.source_object
)
SELECT
  reason,
  CAST(count(DISTINCT source_object) AS BIGINT) AS objects,
  CAST(count(DISTINCT CASE WHEN line IS NULL THEN source_object END) AS BIGINT) AS whole_objects,
  CAST(count(line) AS BIGINT) AS lines,
  min(object_time) AS first_seen,
  max(object_time) AS last_seen,
  min(detail) AS detail,
  substr(min(nullif(text, '')), 1, 120) AS example
FROM timed
WHERE object_time >= $since AND object_time < $until
GROUP BY reason
