-- What rules name: other groups, prefix lists, and what the rules themselves are called.
FROM configurations
WHERE (resource_type = 'security_group' AND list_contains($referred, resource_id))
  OR (resource_type = 'prefix_list' AND list_contains($lists, resource_id))
  OR (
    resource_type = 'security_group_rule'
    AND list_contains($groups, regexp_extract(document, '"GroupId": ?"([^"]+)"', 1))
  )
