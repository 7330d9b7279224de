-- What rules name: of other groups their VPC alone, prefix lists, and the ids of rules.
SELECT
  * REPLACE (
    '{"GroupId":"' || resource_id || '","VpcId":"'
    || coalesce(vpc, json_extract_string(document, '$.VpcId'), '') || '"}' AS document
  )
FROM configurations
WHERE resource_type = 'security_group' AND resource_id IN (SELECT unnest($referred))
UNION ALL
FROM configurations
WHERE resource_type = 'prefix_list' AND resource_id IN (SELECT unnest($lists))
UNION ALL
FROM configurations
WHERE resource_type = 'security_group_rule'
  AND list_contains($groups, regexp_extract(document, '"GroupId": ?"([^"]+)"', 1))
