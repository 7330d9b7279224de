-- All that was configured of some interfaces.
FROM configurations
WHERE resource_type = 'network_interface' AND list_contains($interfaces, resource_id)
