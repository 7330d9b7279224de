-- Flow logs of one action that hold interfaces of which no other holds the other action.
-- A resource in which no interface is known stands for itself.
WITH telling AS (
  SELECT * FROM logs WHERE tells
),
interfaces AS (
  SELECT DISTINCT eni AS place, subnet, vpc
  FROM identities
  WHERE source = 'aws' AND day IS NULL AND eni IS NOT NULL
),
resources AS (
  SELECT resource_id, any_value(json_extract_string(document, '$.SubnetId')) AS subnet,
    any_value(vpc) AS vpc
  FROM configurations
  WHERE day IS NULL
  GROUP BY resource_id
),
places AS (
  SELECT place, subnet, vpc FROM interfaces
  UNION
  SELECT l.resource_id AS place, r.subnet, r.vpc
  FROM telling AS l
  LEFT JOIN resources AS r ON r.resource_id = l.resource_id
  WHERE NOT EXISTS (
    SELECT 1 FROM interfaces WHERE l.resource_id IN (place, interfaces.subnet, interfaces.vpc)
  )
),
held AS (
  SELECT
    p.place, l.flow_log_id, l.traffic, l.account,
    bool_or(l.traffic <> 'REJECT') OVER (PARTITION BY p.place) AS accepts,
    bool_or(l.traffic <> 'ACCEPT') OVER (PARTITION BY p.place) AS rejects
  FROM places AS p
  JOIN telling AS l ON l.resource_id IN (p.place, p.subnet, p.vpc)
)
SELECT
  flow_log_id,
  traffic,
  account,
  count(DISTINCT place) AS places,
  min(place) AS example
FROM held
WHERE NOT (accepts AND rejects)
GROUP BY flow_log_id, traffic, account
ORDER BY flow_log_id ASC
