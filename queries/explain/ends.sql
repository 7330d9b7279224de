-- Who is meant by a name at a time, the newest first.
SELECT address, vpc, kind, name, cluster, namespace, workload, pod, node, instance, eni, subnet, is_primary
FROM identities
WHERE (earliest IS NULL OR earliest <= $at)
  AND (valid_until IS NULL OR valid_until > $at)
  AND (latest IS NULL OR latest > $at)
  AND ($address IS NULL OR address = $address)
  AND ($eni IS NULL OR eni = $eni)
  AND ($instance IS NULL OR (instance = $instance AND kind <> 'pod'))
  AND ($kind IS NULL OR kind = $kind)
  AND ($workload IS NULL OR workload = $workload)
  AND ($name IS NULL OR coalesce(pod, CASE WHEN kind = 'node' THEN node END, name) = $name)
  AND ($namespace IS NULL OR namespace = $namespace)
  AND ($cluster IS NULL OR cluster = $cluster)
  AND NOT contains(address, '/')
ORDER BY valid_from DESC, is_primary DESC NULLS LAST, address ASC
LIMIT 200
