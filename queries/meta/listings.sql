-- When scopes were last looked at completely for who holds addresses, the longest ago
-- first; null: never.
--
-- Those named ($scopes), and those that can know who is in VPCs ($vpcs): they listed
-- something of it, or are a cluster with an instance there. Without either, each scope.
-- A cluster is as fresh as the older of its pods and nodes; a watch looks at both.
WITH seen AS (
  SELECT scope, vpc, NULL AS instance FROM configurations
  UNION ALL
  SELECT scope, vpc, instance FROM identities
),
knowing AS (
  SELECT DISTINCT scope
  FROM seen
  WHERE len($scopes) + len($vpcs) = 0
    OR scope IN CAST($scopes AS VARCHAR[])
    OR vpc IN CAST($vpcs AS VARCHAR[])
    OR instance IN (SELECT instance FROM seen WHERE vpc IN CAST($vpcs AS VARCHAR[]))
),
looks AS (
  SELECT scope, resource_id AS what, last_seen
  FROM configurations
  WHERE resource_type = 'listing'
  UNION ALL
  SELECT scope, unnest(['pod', 'node']), coalesce(valid_until, last_seen)
  FROM configurations
  WHERE resource_type = 'k8s_watch'
),
newest AS (
  SELECT scope, what, max(last_seen) AS last_seen FROM looks GROUP BY scope, what
)
SELECT
  scope,
  coalesce(
    min(last_seen) FILTER (what IN ('pod', 'node')),
    min(last_seen) FILTER (what = 'identities')
  ) AS last_seen
FROM knowing
LEFT JOIN newest USING (scope)
GROUP BY scope
ORDER BY last_seen ASC NULLS FIRST, scope ASC
