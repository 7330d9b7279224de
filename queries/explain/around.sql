-- What decides about packets of some VPCs: all but other interfaces, and other groups.
--
-- A Network Load Balancer's interfaces lend their groups to others' addresses.
FROM configurations
WHERE resource_type IN ('vpc', 'vpc_peering_connection', 'transit_gateway', 'transit_gateway_attachment')
  OR (
    resource_type IN ('subnet', 'network_acl', 'route_table')
    AND list_contains($vpcs, coalesce(vpc, regexp_extract(document, '"VpcId": ?"([^"]+)"', 1)))
  )
  OR (resource_type = 'security_group' AND list_contains($groups, resource_id))
  OR (
    resource_type = 'network_interface'
    AND contains(document, 'network_load_balancer')
    AND NOT list_contains($interfaces, resource_id)
  )
