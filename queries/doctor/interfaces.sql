-- Interfaces and the flow logs that hold them: not logged at all, or logged twice.
WITH logs AS (
  SELECT
    json_extract_string(document, '$.FlowLogId') AS flow_log_id,
    json_extract_string(document, '$.ResourceId') AS resource_id,
    coalesce(json_extract_string(document, '$.TrafficType'), 'ALL') AS traffic
  FROM configurations
  WHERE resource_type = 'flow_log' AND day IS NULL
),
actions AS (
  SELECT flow_log_id, resource_id, unnest(['ACCEPT', 'REJECT']) AS action, traffic
  FROM logs
),
interfaces AS (
  SELECT DISTINCT eni, subnet, vpc, account
  FROM identities
  WHERE source = 'aws' AND day IS NULL AND eni IS NOT NULL AND vpc IS NOT NULL
),
held AS (
  SELECT eni, action, count(*) AS logs
  FROM interfaces JOIN actions ON resource_id IN (eni, subnet, vpc)
  WHERE traffic IN ('ALL', action)
  GROUP BY eni, action
),
seen AS (
  SELECT DISTINCT observer FROM flows
  WHERE start_time >= $since
  UNION
  SELECT DISTINCT observer FROM silences  -- one that has nothing to tell is logged
  WHERE start_time >= $since
)
SELECT
  i.eni,
  i.vpc,
  i.account,
  coalesce(max(h.logs), 0) AS logs
FROM interfaces i
LEFT JOIN held h ON h.eni = i.eni
LEFT JOIN seen s ON s.observer = i.eni
GROUP BY i.eni, i.vpc, i.account
HAVING coalesce(max(h.logs), 0) > 1 OR (max(h.logs) IS NULL AND max(s.observer) IS NULL)
ORDER BY i.eni ASC
