-- Add up what was accepted, by where it was recorded, by address or by port.
--
-- Params:  $since timestamptz = 24h, $until timestamptz = now,
--          $by varchar in eni|instance|subnet|vpc|az|account|region|pod|workload|namespace|node|address|source|destination|port = eni,
--          $eni varchar[]?, $instance varchar[]?, $subnet varchar[]?, $vpc varchar[]?,
--          $account varchar[]?, $region varchar[]?, $pod varchar[]?, $workload varchar[]?,
--          $namespace varchar[]?, $node varchar[]?, $cluster varchar[]?, $address address[]?, $network cidr[]?,
--          $port port[]?, $protocol protocol[]?, $limit integer = 20
-- Returns: key varchar, records bigint, packets bigint, bytes bigint, sources bigint,
--          destinations bigint, first_seen timestamptz, last_seen timestamptz
-- Order:   bytes desc, key asc
-- Reads:   flows
-- Note:    By address, pod, workload, namespace or node, a record stands under those of both
--          its sides, so rows overlap; one without a pod (workload …) is not in such an answer.
--          By port, the server's where decided, else the lower of the two. A protocol without ports is named instead.
--          Sources and destinations are distinct packet addresses. Instance, subnet, VPC
--          and zone are the observer's, by the log, else as its side was attributed;
--          the key is null where neither tells. What was let in and never confirmed to
--          arrive, such as a scan of a NAT gateway, is not accepted.
WITH windowed AS (
  SELECT
    observer, account_id, region,
    of_observer(instance_id, direction, src_instance, dst_instance) AS instance_id,
    of_observer(subnet_id, direction, src_subnet, dst_subnet) AS subnet_id,
    of_observer(vpc_id, direction, src_vpc, dst_vpc) AS vpc_id,
    of_observer(az_id, direction, src_az, dst_az) AS az_id,
    src_address, dst_address, srcport, dstport, service_port, protocol,
    src_pod, dst_pod, src_workload, dst_workload, src_namespace, dst_namespace,
    src_node, dst_node,
    packets, bytes, start_time, end_time
  FROM flows
  WHERE start_time >= $since AND start_time < $until
    AND action = 'ACCEPT'
    AND coalesce(verdict, 'accepted') = 'accepted'
    AND counted IS NOT FALSE
    AND ($eni IS NULL OR observer IN $eni)
    AND (
      $instance IS NULL
      OR of_observer(instance_id, direction, src_instance, dst_instance) IN $instance
    )
    AND (
      $subnet IS NULL
      OR of_observer(subnet_id, direction, src_subnet, dst_subnet) IN $subnet
    )
    AND (
      $vpc IS NULL
      OR of_observer(vpc_id, direction, src_vpc, dst_vpc) IN $vpc
    )
    AND ($account IS NULL OR account_id IN $account)
    AND ($region IS NULL OR region IN $region)
    AND ($pod IS NULL OR dst_pod IN $pod OR src_pod IN $pod)
    AND ($workload IS NULL OR dst_workload IN $workload OR src_workload IN $workload)
    AND ($namespace IS NULL OR dst_namespace IN $namespace OR src_namespace IN $namespace)
    AND ($node IS NULL OR dst_node IN $node OR src_node IN $node)
    AND ($cluster IS NULL OR dst_cluster IN $cluster OR src_cluster IN $cluster)
    AND ($port IS NULL OR dstport IN $port OR srcport IN $port)
    AND ($protocol IS NULL OR protocol IN $protocol)
    AND (
      $network IS NULL
      OR in_networks(src_address, $network) OR in_networks(dst_address, $network)
    )
),
chosen AS (
  SELECT *
  FROM windowed
  WHERE $address IS NULL OR dst_address IN address_spellings($address)
  UNION ALL  -- one arm a side: an OR over both would read every row group
  SELECT *
  FROM windowed
  WHERE src_address IN address_spellings($address)
    AND NOT coalesce(dst_address IN address_spellings($address), FALSE)
),
keyed AS (
  SELECT
    CASE $by
      WHEN 'eni' THEN observer
      WHEN 'instance' THEN instance_id
      WHEN 'subnet' THEN subnet_id
      WHEN 'vpc' THEN vpc_id
      WHEN 'az' THEN az_id
      WHEN 'account' THEN account_id
      WHEN 'region' THEN region
      WHEN 'pod' THEN dst_pod
      WHEN 'workload' THEN dst_workload
      WHEN 'namespace' THEN dst_namespace
      WHEN 'node' THEN dst_node
      WHEN 'source' THEN src_address
      WHEN 'port' THEN
        CASE
          WHEN protocol IN (6, 17, 33, 132) THEN CAST(coalesce(service_port, least(srcport, dstport)) AS VARCHAR)
          ELSE 'protocol ' || CAST(protocol AS VARCHAR)
        END
      ELSE dst_address
    END AS key,
    *
  FROM chosen
  UNION ALL
  SELECT src_address AS key, *
  FROM chosen
  WHERE $by = 'address' AND src_address IS DISTINCT FROM dst_address
  UNION ALL
  SELECT src_pod AS key, *
  FROM chosen
  WHERE $by = 'pod' AND src_pod IS DISTINCT FROM dst_pod
  UNION ALL
  SELECT src_workload AS key, *
  FROM chosen
  WHERE $by = 'workload' AND src_workload IS DISTINCT FROM dst_workload
  UNION ALL
  SELECT src_namespace AS key, *
  FROM chosen
  WHERE $by = 'namespace' AND src_namespace IS DISTINCT FROM dst_namespace
  UNION ALL
  SELECT src_node AS key, *
  FROM chosen
  WHERE $by = 'node' AND src_node IS DISTINCT FROM dst_node
)
SELECT
  key,
  CAST(count(*) AS BIGINT) AS records,
  CAST(sum(packets) AS BIGINT) AS packets,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  CAST(count(DISTINCT src_address) AS BIGINT) AS sources,
  CAST(count(DISTINCT dst_address) AS BIGINT) AS destinations,
  min(start_time) AS first_seen,
  max(end_time) AS last_seen
FROM keyed
WHERE key IS NOT NULL OR $by NOT IN ('pod', 'workload', 'namespace', 'node')
GROUP BY key
ORDER BY bytes DESC NULLS LAST, key ASC NULLS LAST
LIMIT $limit
