-- VPCs with a regional NAT gateway, whose records need the field resource-id.
SELECT DISTINCT
  coalesce(vpc, json_extract_string(document, '$.VpcId')) AS vpc,
  resource_id
FROM configurations
WHERE resource_type = 'nat_gateway' AND day IS NULL
  AND json_extract_string(document, '$.AvailabilityMode') = 'regional'
ORDER BY vpc ASC, resource_id ASC
