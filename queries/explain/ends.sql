-- Who is meant by a name at a time, newest first, and the interface that carries the address.
--
-- What AWS lists of an interface tells where a pod or a node lies that Kubernetes lists.
WITH held AS (
  SELECT
    address, vpc, kind, name, cluster, namespace, workload, pod, node, instance, eni, subnet,
    valid_from, last_seen, scope
  FROM identities
  WHERE (earliest IS NULL OR earliest <= $at)
    AND (valid_until IS NULL OR valid_until > $at)
    AND (latest IS NULL OR latest > $at)
),
-- What the internet knows an interface by is another address at the interface.
public AS (
  SELECT DISTINCT eni
  FROM held
  WHERE eni IS NOT NULL AND vpc IS NULL AND scope LIKE 'aws:%'
),
meant AS (
  SELECT *
  FROM held
  WHERE (
      $address IS NULL
      OR address = $address
      OR eni IN (SELECT eni FROM held WHERE address = $address AND vpc IS NULL)
    )
    AND (vpc IS NOT NULL OR eni IS NULL OR eni NOT IN (SELECT eni FROM held WHERE vpc IS NOT NULL AND eni IS NOT NULL))
    AND ($eni IS NULL OR eni = $eni)
    AND ($instance IS NULL OR (instance = $instance AND kind <> 'pod'))
    AND ($kind IS NULL OR kind = $kind)
    AND ($workload IS NULL OR workload = $workload)
    AND ($name IS NULL OR coalesce(pod, CASE WHEN kind = 'node' THEN node END, name) = $name)
    AND ($namespace IS NULL OR namespace = $namespace)
    AND ($cluster IS NULL OR cluster = $cluster)
    AND NOT contains(address, '/')
  ORDER BY valid_from DESC
  LIMIT 200
),
carriers AS (
  SELECT address, vpc, eni, subnet, instance
  FROM held
  WHERE eni IS NOT NULL AND vpc IS NOT NULL
    AND (address IN (SELECT address FROM meant) OR contains(address, '/'))
),
placed AS (
  SELECT
    m.* EXCLUDE (vpc, eni, subnet),
    coalesce(m.vpc, c.vpc) AS vpc,
    coalesce(m.eni, c.eni) AS eni,
    coalesce(m.subnet, c.subnet) AS subnet,
    coalesce(m.eni, c.eni) IN (SELECT eni FROM public) AS has_public
  FROM meant AS m
  LEFT JOIN carriers AS c
    ON (c.address = m.address OR (contains(c.address, '/') AND in_networks(m.address, [c.address])))
    AND (m.eni = c.eni OR (m.eni IS NULL AND (m.instance = c.instance OR m.instance IS NULL)))
)
SELECT DISTINCT *
FROM placed
WHERE $vpc IS NULL OR vpc = $vpc
ORDER BY valid_from DESC, address ASC, eni ASC
