-- For the other statements, made once a session: the flow logs that the inventory still
-- lists, what each holds, how far it was heard, and whether it tells something here. One
-- that delivers elsewhere than to S3, or whose delivery fails, does not unless it was heard.
CREATE OR REPLACE TEMP TABLE logs AS
WITH heard AS (
  SELECT flow_log_id, max(greatest(key_time, last_end)) AS through
  FROM sources
  WHERE head = 'flows' AND flow_log_id IS NOT NULL
  GROUP BY flow_log_id
),
-- Exports and renamed objects do not name their flow log, only whom it holds.
unnamed AS (
  SELECT observer FROM flows WHERE flow_log_id IS NULL
  UNION
  SELECT observer FROM silences WHERE flow_log_id IS NULL AND head = 'flows'
),
meant AS (
  SELECT DISTINCT unnest([eni, subnet, vpc]) AS resource_id
  FROM identities
  WHERE source = 'aws' AND day IS NULL
    AND coalesce(eni IN (SELECT observer FROM unnamed), true)  -- null can be anybody's
),
listed AS (
  SELECT
    resource_id AS flow_log_id,
    json_extract_string(document, '$.ResourceId') AS resource_id,
    coalesce(json_extract_string(document, '$.TrafficType'), 'ALL') AS traffic,
    coalesce(json_extract_string(document, '$.LogDestinationType'), 's3') AS kind,
    json_extract_string(document, '$.LogDestination') AS destination,
    coalesce(json_extract_string(document, '$.DeliverLogsStatus'), '') = 'FAILED' AS is_failed,
    coalesce(
      TRY_CAST(json_extract_string(document, '$.CreationTime') AS TIMESTAMPTZ), valid_from
    ) AS created,
    account,
    last_seen
  FROM configurations
  WHERE resource_type = 'flow_log' AND day IS NULL
)
SELECT
  l.*,
  h.through,
  h.through IS NOT NULL OR m.resource_id IS NOT NULL AS is_heard,
  l.kind <> 's3' AND NOT is_heard AS is_elsewhere,
  is_heard OR NOT (is_elsewhere OR l.is_failed) AS tells
FROM listed AS l
LEFT JOIN heard AS h ON h.flow_log_id = l.flow_log_id
LEFT JOIN meant AS m ON m.resource_id = l.resource_id
