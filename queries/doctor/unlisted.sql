-- What was not looked at: accounts and Regions whose records come, and flow logs of those
-- whose interfaces are known.
WITH looks AS (
  SELECT scope, resource_type, resource_id
  FROM configurations
  WHERE scope LIKE 'aws:%'
)
SELECT
  'account_not_listed' AS fault,
  concat_ws(':', 'aws', account_id, region) AS scope,
  account_id AS account,
  count(*) AS number
FROM sources
WHERE head = 'flows' AND coalesce(last_end, key_time) >= $since
  AND account_id IS NOT NULL AND region IS NOT NULL
  AND NOT EXISTS (
    SELECT 1 FROM looks
    WHERE split_part(scope, ':', 2) IN (account_id, 'unknown')
      AND split_part(scope, ':', 3) IN (region, 'unknown')
  )
GROUP BY account_id, region
UNION ALL
SELECT
  'flow_logs_not_listed' AS fault,
  scope,
  split_part(scope, ':', 2) AS account,
  count(DISTINCT eni) AS number
FROM identities
WHERE source = 'aws' AND day IS NULL AND eni IS NOT NULL
  AND scope NOT IN (
    SELECT scope FROM looks
    WHERE resource_type = 'flow_log' OR (resource_type = 'listing' AND resource_id = 'flow_log')
  )
GROUP BY scope
ORDER BY fault ASC, scope ASC
