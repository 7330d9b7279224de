-- The subnets and VPCs whose ranges hold an address, the smallest first; $vpc: its own.
WITH ranges AS (
  SELECT
    resource_type,
    resource_id,
    vpc,
    unnest(regexp_extract_all(document, '"(?:Ipv6)?CidrBlock":"([^"]+)"', 1)) AS range
  FROM configurations
  WHERE resource_type IN ('subnet', 'vpc') AND valid_until IS NULL
    AND ($vpc IS NULL OR vpc = $vpc)
)
SELECT DISTINCT resource_type, resource_id, vpc, range
FROM ranges
WHERE in_networks($addresses[1], [range])
ORDER BY resource_type ASC, resource_id ASC, range ASC
