-- What was not looked at: accounts and Regions whose records come, flow logs of those whose
-- interfaces are known, and clusters that instances are tagged with.
WITH looks AS (
  SELECT
    scope,
    split_part(scope, ':', 2) AS account_id,
    split_part(scope, ':', 3) AS region,
    bool_or(
      resource_type = 'flow_log' OR (resource_type = 'listing' AND resource_id = 'flow_log')
    ) AS has_flow_logs
  FROM configurations
  WHERE scope LIKE 'aws:%'
  GROUP BY scope
),
came AS (
  SELECT account_id, region, count(*) AS objects
  FROM sources
  WHERE head = 'flows' AND coalesce(last_end, key_time) >= $since
    AND account_id IS NOT NULL AND region IS NOT NULL
  GROUP BY account_id, region
)
SELECT
  'account_not_listed' AS fault,
  concat_ws(':', 'aws', c.account_id, c.region) AS scope,
  c.account_id AS account,
  c.objects AS number
FROM came AS c
WHERE NOT EXISTS (
  SELECT 1 FROM looks AS l
  WHERE l.account_id IN (c.account_id, 'unknown') AND l.region IN (c.region, 'unknown')
)
UNION ALL
SELECT
  'flow_logs_not_listed' AS fault,
  scope,
  split_part(scope, ':', 2) AS account,
  count(DISTINCT eni) AS number
FROM identities
WHERE source = 'aws' AND day IS NULL AND eni IS NOT NULL
  AND scope NOT IN (SELECT scope FROM looks WHERE has_flow_logs)
GROUP BY scope
UNION ALL
SELECT
  'cluster_not_listed' AS fault,
  cluster AS scope,
  any_value(account) AS account,
  count(DISTINCT instance) AS number
FROM identities
WHERE source = 'aws' AND kind = 'instance' AND day IS NULL AND cluster IS NOT NULL
  AND cluster NOT IN (
    SELECT cluster FROM identities
    WHERE cluster IS NOT NULL AND (source = 'kubernetes' OR kind = 'ecs_task')
  )
GROUP BY cluster
HAVING count(*) FILTER (
  instance IN (
    SELECT instance FROM identities WHERE source = 'kubernetes' AND instance IS NOT NULL
  )
) = 0
ORDER BY fault ASC, scope ASC
