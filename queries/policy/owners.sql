-- Security groups and network ACLs: where each is, what it is called; and interfaces that
-- nothing is attached to, which carry no traffic.
SELECT
  resource_type,
  resource_id,
  arg_max(coalesce(vpc, json_extract_string(document, '$.VpcId')), last_seen) AS vpc,
  arg_max(coalesce(account, json_extract_string(document, '$.OwnerId')), last_seen) AS account,
  arg_max(json_extract_string(document, '$.GroupName'), last_seen) AS name,
  bool_and(coalesce(json_extract_string(document, '$.Status') = 'available', FALSE)) AS is_idle
FROM configurations
WHERE resource_type IN ('security_group', 'network_acl', 'network_interface')
GROUP BY resource_type, resource_id
HAVING resource_type <> 'network_interface' OR is_idle
ORDER BY resource_type ASC, resource_id ASC
