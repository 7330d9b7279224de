-- When each scope was last looked at for who holds addresses, and how far the records
-- reach that it could name: null if none came. A cluster's names come from its pods.
--
-- Of an account and Region those count that are its own, or have an end in a VPC of its;
-- of a cluster those of where its instances are. One whose instances later looks of AWS
-- no longer show is gone, and nothing is asked of it.
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
reach AS (
  SELECT max(last_end) AS through FROM sources
),
places AS (
  SELECT *, split_part(scope, ':', 2) AS account_id, split_part(scope, ':', 3) AS region
  FROM scopes
  WHERE scope LIKE 'aws:%'
),
homes AS (
  SELECT DISTINCT p.account_id, p.region, c.resource_id AS vpc
  FROM configurations AS c
  JOIN places AS p ON p.scope = c.scope
  WHERE c.resource_type = 'vpc'
),
ends AS (
  SELECT src_vpc AS vpc, max(end_time) AS through
  FROM flows WHERE start_time >= $since GROUP BY src_vpc
  UNION ALL
  SELECT dst_vpc AS vpc, max(end_time) AS through
  FROM flows WHERE start_time >= $since GROUP BY dst_vpc
),
told AS (
  SELECT account_id, region, flow_log_id, max(end_time) AS through
  FROM flows WHERE start_time >= $since GROUP BY account_id, region, flow_log_id
),
-- A flow log holds interfaces of one Region, whether or not its records tell it.
logs AS (
  SELECT flow_log_id, any_value(account_id) AS account_id, any_value(region) AS region
  FROM sources
  WHERE flow_log_id IS NOT NULL
  GROUP BY flow_log_id
),
records AS (
  SELECT account_id, region, max(last_end) AS through
  FROM sources WHERE account_id IS NOT NULL GROUP BY account_id, region
  UNION ALL
  SELECT coalesce(f.account_id, l.account_id), coalesce(f.region, l.region), f.through
  FROM told AS f LEFT JOIN logs AS l ON l.flow_log_id = f.flow_log_id
  UNION ALL
  SELECT h.account_id, h.region, max(e.through) AS through
  FROM ends AS e JOIN homes AS h ON h.vpc = e.vpc GROUP BY h.account_id, h.region
),
-- What does not tell its account or Region can be of any.
in_places AS (
  SELECT p.scope, max(r.through) AS through
  FROM places AS p
  JOIN records AS r
    ON (r.account_id IS NULL OR p.account_id IN (r.account_id, 'unknown'))
    AND (r.region IS NULL OR p.region IN (r.region, 'unknown'))
  GROUP BY p.scope
),
instances AS (
  SELECT DISTINCT scope, instance
  FROM identities
  WHERE source = 'kubernetes' AND instance IS NOT NULL
),
found AS (
  SELECT i.scope, a.scope AS place, bool_or(a.day IS NULL) AS is_there
  FROM instances AS i
  JOIN identities AS a ON a.instance = i.instance AND a.source = 'aws'
  GROUP BY i.scope, a.scope
),
-- Clusters of which AWS has shown instances: how far records reach there; gone or not.
placed AS (
  SELECT
    f.scope,
    max(t.through) AS through,
    bool_and(NOT f.is_there AND p.last_seen > s.last_seen) AS is_gone
  FROM found AS f
  JOIN scopes AS s ON s.scope = f.scope
  JOIN places AS p ON p.scope = f.place
  LEFT JOIN in_places AS t ON t.scope = f.place
  GROUP BY f.scope
),
-- The others are gone if AWS was listed later wherever records come from.
complete AS (
  SELECT p.account_id, p.region, n.last_seen
  FROM newest AS n JOIN places AS p ON p.scope = n.scope
  WHERE n.what = 'identities'
),
elsewhere AS (
  SELECT DISTINCT s.scope
  FROM scopes AS s
  JOIN records AS r ON r.through > s.last_seen
  LEFT JOIN complete AS c
    ON c.last_seen > s.last_seen
    AND c.account_id IN (r.account_id, 'unknown') AND c.region IN (r.region, 'unknown')
  WHERE c.last_seen IS NULL
)
SELECT
  s.scope,
  s.last_seen,
  CASE
    WHEN s.scope LIKE 'aws:%' THEN t.through
    WHEN p.scope IS NOT NULL THEN if(p.is_gone, NULL, p.through)
    WHEN s.scope IN (SELECT scope FROM instances)
      AND s.last_seen < (SELECT max(last_seen) FROM complete)
      AND s.scope NOT IN (SELECT scope FROM elsewhere) THEN NULL
    ELSE reach.through
  END AS through,
  coalesce(s.last_seen >= $since OR reach.through IS NULL, true) AS is_recent
FROM scopes AS s
CROSS JOIN reach
LEFT JOIN in_places AS t ON t.scope = s.scope
LEFT JOIN placed AS p ON p.scope = s.scope
ORDER BY s.scope ASC
