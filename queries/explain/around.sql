-- Some interfaces, and what decides about their packets: VPCs, ACLs, routes, groups.
--
-- Of what holds for a subnet at any time all versions, also those that do not. A Network
-- Load Balancer's interfaces lend their groups to others' addresses.
WITH own AS (
  FROM configurations
  WHERE resource_type = 'network_interface' AND resource_id IN (SELECT unnest($interfaces))
),
named AS (
  SELECT DISTINCT unnest(regexp_extract_all(document, '"(?:GroupId|SubnetId)": ?"([^"]+)"', 1)) AS name
  FROM own
  UNION
  SELECT unnest($subnets) AS name
)
FROM own
UNION ALL
FROM configurations
WHERE resource_type IN ('vpc', 'vpc_peering_connection', 'transit_gateway', 'transit_gateway_attachment')
UNION ALL
FROM configurations
WHERE resource_type IN ('subnet', 'security_group') AND resource_id IN (SELECT name FROM named)
UNION ALL
FROM configurations
WHERE resource_type IN ('network_acl', 'route_table')
  AND resource_id IN (
    SELECT placed.resource_id
    FROM configurations AS placed
    WHERE placed.resource_type IN ('network_acl', 'route_table')
      AND (
        (placed.resource_type = 'route_table' AND regexp_matches(placed.document, '"Main": ?true'))
        OR EXISTS (SELECT 1 FROM named WHERE contains(placed.document, '"' || named.name || '"'))
      )
  )
UNION ALL
FROM configurations
WHERE resource_type = 'network_interface'
  AND contains(document, 'network_load_balancer')
  AND NOT list_contains($interfaces, resource_id)
