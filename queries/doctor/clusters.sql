-- Pods of each cluster: how many there are, of how many the VPC is known that their node
-- is in, of how many it is known whether their address is of it, and how many have one.
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
  SELECT p.cluster, p.address, a.vpc, a.address AS held
  FROM pods AS p JOIN aws AS a ON a.instance = p.instance
  UNION
  SELECT p.cluster, p.address, a.vpc, a.address AS held
  FROM pods AS p JOIN aws AS a ON a.eni = p.eni
  UNION
  SELECT p.cluster, p.address, l.vpc, l.address AS held
  FROM pods AS p JOIN lone AS l ON l.address = p.node_address
  WHERE p.instance IS NULL AND p.eni IS NULL
),
documents AS (
  SELECT
    coalesce(vpc, json_extract_string(document, '$.VpcId')) AS vpc,
    resource_type = 'vpc' AS is_whole,
    regexp_extract_all(document, '"(?:Ipv6)?CidrBlock":"([^"]+)"', 1) AS networks
  FROM configurations
  WHERE resource_type IN ('vpc', 'subnet') AND day IS NULL
),
ranges AS (
  SELECT vpc, flatten(list(networks)) AS networks, bool_or(is_whole) AS is_whole
  FROM documents
  WHERE len(networks) > 0
  GROUP BY vpc
),
-- An address in a subnet, or that the node's interface holds, is of the VPC; others are not
-- only where the VPC's ranges are listed.
placed AS (
  SELECT
    h.cluster, h.address,
    min(h.vpc) AS vpc,
    bool_or(
      CASE
        WHEN h.held = h.address OR in_networks(h.address, r.networks) THEN true
        WHEN contains(h.held, '/') AND in_networks(h.address, [h.held]) THEN true
        WHEN r.is_whole THEN false
      END
    ) AS is_inside
  FROM homes AS h
  LEFT JOIN ranges AS r ON r.vpc = h.vpc
  GROUP BY h.cluster, h.address
)
SELECT
  p.cluster,
  count(*) AS pods,
  count(h.address) AS placed,
  count(h.is_inside) AS known,
  count(*) FILTER (h.is_inside) AS inside,
  min(h.vpc) AS vpc,
  min(p.address) AS example,
  min(coalesce(p.instance, p.node_address)) AS node
FROM pods AS p
LEFT JOIN placed AS h ON h.cluster = p.cluster AND h.address = p.address
GROUP BY p.cluster
ORDER BY p.cluster ASC
