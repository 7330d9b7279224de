-- Pods of each cluster: how many there are, of how many the VPC is known that their node
-- is in, and how many have an address of it.
WITH aws AS (
  SELECT DISTINCT instance, eni, address, vpc
  FROM identities
  WHERE source = 'aws' AND vpc IS NOT NULL
),
nodes AS (
  SELECT cluster, node, any_value(instance) AS instance, any_value(address) AS address
  FROM identities
  WHERE source = 'kubernetes' AND kind = 'node'
  GROUP BY cluster, node
),
pods AS (
  SELECT DISTINCT
    p.cluster, p.address, p.eni,
    coalesce(p.instance, n.instance) AS instance,
    -- EC2 names nodes by their address: ip-10-0-0-10.ec2.internal.
    coalesce(
      n.address,
      replace(nullif(regexp_extract(p.node, 'ip-(\d+-\d+-\d+-\d+)', 1), ''), '-', '.')
    ) AS node_address
  FROM identities AS p
  LEFT JOIN nodes AS n ON n.cluster = p.cluster AND n.node = p.node
  WHERE p.source = 'kubernetes' AND p.kind = 'pod' AND p.day IS NULL
    AND p.cluster IS NOT NULL
),
-- An address means something in one VPC alone, so it tells only where nothing else does.
lone AS (
  SELECT address, min(vpc) AS vpc FROM aws GROUP BY address HAVING count(DISTINCT vpc) = 1
),
homes AS (
  SELECT p.cluster, p.address, a.vpc FROM pods AS p JOIN aws AS a ON a.instance = p.instance
  UNION
  SELECT p.cluster, p.address, a.vpc FROM pods AS p JOIN aws AS a ON a.eni = p.eni
  UNION
  SELECT p.cluster, p.address, l.vpc
  FROM pods AS p JOIN lone AS l ON l.address = p.node_address
  WHERE p.instance IS NULL AND p.eni IS NULL
),
ranges AS (
  SELECT
    resource_id AS vpc,
    regexp_extract_all(document, '"(?:Ipv6)?CidrBlock":"([^"]+)"', 1) AS networks
  FROM configurations
  WHERE resource_type = 'vpc' AND day IS NULL
),
known AS (
  SELECT h.cluster, h.address, bool_or(in_networks(h.address, r.networks)) AS is_inside
  FROM homes AS h
  JOIN ranges AS r ON r.vpc = h.vpc
  WHERE len(r.networks) > 0
  GROUP BY h.cluster, h.address
)
SELECT
  p.cluster,
  count(*) AS pods,
  count(k.address) AS known,
  count(*) FILTER (k.is_inside) AS inside,
  min(p.address) AS example,
  min(coalesce(p.instance, p.node_address)) AS node
FROM pods AS p
LEFT JOIN known AS k ON k.cluster = p.cluster AND k.address = p.address
GROUP BY p.cluster
ORDER BY p.cluster ASC
