-- Flow logs that are listed and hold an interface, of which nothing came for hours though
-- of others something did. One that has nothing to tell says so every few minutes.
WITH listed AS (
  SELECT
    resource_id AS flow_log_id,
    json_extract_string(document, '$.ResourceId') AS resource_id,
    account,
    last_seen
  FROM configurations
  WHERE resource_type = 'flow_log' AND day IS NULL
    AND json_extract_string(document, '$.DeliverLogsStatus') IS DISTINCT FROM 'FAILED'
),
held AS (
  SELECT DISTINCT unnest([eni, subnet, vpc]) AS resource_id
  FROM identities
  WHERE source = 'aws' AND day IS NULL
),
heard AS (
  SELECT flow_log_id, max(greatest(key_time, last_end)) AS through
  FROM sources
  WHERE head = 'flows'
  GROUP BY flow_log_id
)
SELECT l.flow_log_id, l.account, h.through
FROM listed AS l
JOIN heard AS h ON h.flow_log_id = l.flow_log_id
WHERE l.resource_id IN (SELECT resource_id FROM held)
  AND h.through + to_hours($quiet_h) < least(l.last_seen, (SELECT max(through) FROM heard))
ORDER BY l.flow_log_id ASC
