-- Clusters of which no pod has an address of a known VPC.
WITH ranges AS (
  SELECT list(DISTINCT cidr) AS networks
  FROM (
    SELECT unnest(regexp_extract_all(document, '"(?:Ipv6)?CidrBlock":"([^"]+)"', 1)) AS cidr
    FROM configurations
    WHERE resource_type IN ('vpc', 'subnet') AND day IS NULL
  )
),
pods AS (
  SELECT DISTINCT cluster, address
  FROM identities
  WHERE source = 'kubernetes' AND kind = 'pod' AND cluster IS NOT NULL
)
SELECT cluster, count(*) AS pods, any_value(address) AS example
FROM pods, ranges
GROUP BY cluster
HAVING count(*) FILTER (in_networks(address, networks)) = 0 AND len(any_value(networks)) > 0
ORDER BY cluster ASC
