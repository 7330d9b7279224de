-- When each scope was last looked at, and how far the records of its account reach.
WITH looks AS (
  SELECT scope, max(last_seen) AS last_seen
  FROM configurations
  WHERE resource_type IN ('listing', 'k8s_watch')
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
FROM looks
CROSS JOIN reach
LEFT JOIN records r ON r.account_id = split_part(scope, ':', 2)
ORDER BY scope ASC
