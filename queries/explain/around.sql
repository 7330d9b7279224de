-- What decides about packets of some subnets: their VPCs, ACLs and routes, some groups.
--
-- Of what holds for a subnet at any time all versions, also those that do not. A Network
-- Load Balancer's interfaces lend their groups to others' addresses.
FROM configurations
WHERE resource_type IN ('vpc', 'vpc_peering_connection', 'transit_gateway', 'transit_gateway_attachment')
UNION ALL
FROM configurations
WHERE resource_type = 'subnet' AND resource_id IN (SELECT unnest($subnets))
UNION ALL
FROM configurations
WHERE resource_type IN ('network_acl', 'route_table')
  AND resource_id IN (
    SELECT resource_id
    FROM configurations
    WHERE resource_type IN ('network_acl', 'route_table')
      AND (
        regexp_matches(document, $subnet_of)
        OR (resource_type = 'route_table' AND regexp_matches(document, '"Main": ?true'))
      )
  )
UNION ALL
FROM configurations
WHERE resource_type = 'security_group' AND resource_id IN (SELECT unnest($groups))
UNION ALL
FROM configurations
WHERE resource_type = 'network_interface'
  AND contains(document, 'network_load_balancer')
  AND NOT list_contains($interfaces, resource_id)
