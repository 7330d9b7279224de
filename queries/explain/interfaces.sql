-- All that was configured of some interfaces.
FROM configurations
WHERE resource_type = 'network_interface' AND resource_id IN (SELECT unnest($interfaces))
