-- Interfaces and the flow logs that hold them: not logged at all, or logged twice. Those
-- of which nobody listed flow logs are judged by their records alone. A flow log whose
-- delivery fails is a finding of its own: it leaves none unlogged, and doubles none.
WITH actions AS (
  SELECT *, unnest(['ACCEPT', 'REJECT']) AS action
  FROM logs
),
listed AS (
  SELECT DISTINCT scope
  FROM configurations
  WHERE resource_type = 'flow_log' OR (resource_type = 'listing' AND resource_id = 'flow_log')
),
interfaces AS (
  SELECT DISTINCT eni, subnet, vpc, account
  FROM identities
  WHERE source = 'aws' AND day IS NULL AND eni IS NOT NULL AND vpc IS NOT NULL
    AND scope IN (SELECT scope FROM listed)
),
held AS (
  SELECT eni, action, count(DISTINCT flow_log_id) FILTER (NOT is_failed) AS logs
  FROM interfaces JOIN actions ON resource_id IN (eni, subnet, vpc)
  WHERE traffic IN ('ALL', action) AND NOT is_elsewhere
  GROUP BY eni, action
),
elsewhere AS (
  SELECT eni, min(flow_log_id) AS flow_log_id
  FROM interfaces JOIN logs ON resource_id IN (eni, subnet, vpc)
  WHERE is_elsewhere
  GROUP BY eni
),
told AS (
  SELECT
    observer, action, date_trunc('hour', start_time) AS hour,
    count(DISTINCT flow_log_id) AS logs,
    any_value(vpc_id) AS vpc, any_value(account_id) AS account
  FROM flows
  WHERE start_time >= $since
  GROUP BY observer, action, hour
),
seen AS (
  SELECT DISTINCT observer FROM told
  UNION
  SELECT DISTINCT observer FROM silences  -- one that has nothing to tell is logged
  WHERE start_time >= $since
),
-- In an hour in which one flow log took another's place, both may tell.
twice AS (
  SELECT
    observer AS eni, any_value(vpc) AS vpc, any_value(account) AS account, max(logs) AS logs
  FROM told
  WHERE observer IS NOT NULL AND observer NOT IN (SELECT eni FROM interfaces)
  GROUP BY observer
  HAVING count(DISTINCT hour) FILTER (logs > 1) > 1
    AND max(hour) FILTER (logs > 1) >= max(hour) - INTERVAL 1 HOUR
)
SELECT
  i.eni,
  i.vpc,
  i.account,
  coalesce(max(h.logs), 0) AS logs,
  min(e.flow_log_id) AS elsewhere
FROM interfaces i
LEFT JOIN held h ON h.eni = i.eni
LEFT JOIN elsewhere e ON e.eni = i.eni
LEFT JOIN seen s ON s.observer = i.eni
GROUP BY i.eni, i.vpc, i.account
HAVING coalesce(max(h.logs), 0) > 1 OR (max(h.logs) IS NULL AND max(s.observer) IS NULL)
UNION ALL
SELECT eni, vpc, account, logs, NULL AS elsewhere FROM twice
ORDER BY eni ASC
