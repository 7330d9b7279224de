-- What rules name: other groups, prefix lists, and what the rules themselves are called.
FROM configurations
WHERE resource_type = 'security_group' AND resource_id IN (SELECT unnest($referred))
UNION ALL
FROM configurations
WHERE resource_type = 'prefix_list' AND resource_id IN (SELECT unnest($lists))
UNION ALL
FROM configurations
WHERE resource_type = 'security_group_rule'
  AND list_contains($groups, regexp_extract(document, '"GroupId": ?"([^"]+)"', 1))
