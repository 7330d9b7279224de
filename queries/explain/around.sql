-- What decides about packets of some VPCs: all but other interfaces, and other groups.
--
-- A Network Load Balancer's interfaces lend their groups to others' addresses.
FROM configurations
WHERE resource_type IN ('vpc', 'vpc_peering_connection', 'transit_gateway', 'transit_gateway_attachment')
  OR (resource_type IN ('subnet', 'network_acl', 'route_table') AND list_contains($vpcs, vpc))
  OR (resource_type = 'security_group' AND list_contains($groups, resource_id))
  OR (
    resource_type = 'network_interface'
    AND list_contains($vpcs, vpc)
    AND contains(document, 'network_load_balancer')
    AND NOT list_contains($interfaces, resource_id)
  )
