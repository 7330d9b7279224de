-- When each scope was last looked at for who holds addresses, and how far the records of
-- its account reach. A cluster's names come from its pods.
WITH listed AS (
  SELECT scope, resource_id AS what, last_seen
  FROM configurations
  WHERE resource_type = 'listing'
  UNION ALL
  SELECT scope, unnest(['pod', 'node']), coalesce(valid_until, last_seen)
  FROM configurations
  WHERE resource_type = 'k8s_watch'
),
-- Of a scope that was only ever seen in parts, what was seen last.
looks AS (
  SELECT * FROM listed
  UNION ALL
  SELECT scope, 'part', last_seen
  FROM identities
  WHERE scope NOT IN (SELECT scope FROM listed)
),
newest AS (
  SELECT scope, what, max(last_seen) AS last_seen FROM looks GROUP BY scope, what
),
scopes AS (
  SELECT
    scope,
    coalesce(
      max(last_seen) FILTER (what = 'pod'),
      max(last_seen) FILTER (what = 'identities'),
      max(last_seen)
    ) AS last_seen
  FROM newest
  GROUP BY scope
),
records AS (
  SELECT account_id, max(last_end) AS through FROM sources GROUP BY account_id
),
reach AS (
  SELECT max(last_end) AS through FROM sources
)
SELECT
  scope,
  last_seen,
  coalesce(r.through, reach.through) AS through
FROM scopes
CROSS JOIN reach
LEFT JOIN records r ON r.account_id = split_part(scope, ':', 2)
ORDER BY scope ASC
