-- Say who talked to whom, each packet counted once: client, server, port, and what became of it.
--
-- Params:  $since timestamptz = 24h, $until timestamptz = now,
--          $by varchar in pod|workload|namespace|node|eni|subnet|vpc|az|address = workload,
--          $ports varchar in each|together = each 'A row for each service port, or one for all of them.',
--          $verdict varchar? in accepted|rejected|unconfirmed,
--          $pod varchar[]?,
--          $workload varchar[]? 'Either side is of this workload or, without one, is called this by workload.',
--          $namespace varchar[]?, $node varchar[]?,
--          $cluster varchar[]?, $vpc varchar[]? 'Either side is in this VPC.',
--          $account varchar[]? 'Either side is in this account.', $address address[]?,
--          $network cidr[]?, $port port[]?, $protocol protocol[]?, $limit integer = 20
-- Returns: client varchar, server varchar, service_port integer, protocol integer,
--          verdict varchar, records bigint, connections bigint,
--          packets_to_server bigint, packets_to_client bigint,
--          bytes_to_server bigint, bytes_to_client bigint,
--          first_seen timestamptz, last_seen timestamptz
-- Order:   bytes_to_server desc, client asc, server asc, service_port asc, protocol asc, verdict asc
-- Reads:   flows
-- Note:    The client opened the conversation; where that is not known it is the source, and the port
--          is null. An end that is no pod (workload …) is called by its node, load balancer, network
--          label or AWS service, else by its kind. Connections are openings seen: SYN without ACK.
--          By workload, namespace, VPC or zone, roll-ups answer where they hold all that is asked.
WITH chosen AS (
  SELECT *
  FROM flows
  WHERE start_time >= $since AND start_time < $until
    AND ($address IS NULL OR dst_address IN address_spellings($address))
  UNION ALL  -- one arm a side: an OR over both would read every row group
  SELECT *
  FROM flows
  WHERE start_time >= $since AND start_time < $until
    AND src_address IN address_spellings($address)
    AND NOT coalesce(dst_address IN address_spellings($address), FALSE)
),
called AS (
  SELECT
    *,
    coalesce(
      src_workload, src_node, src_name, src_network, src_aws_service, src_instance, src_eni, src_kind
    ) AS src_label,
    coalesce(
      dst_workload, dst_node, dst_name, dst_network, dst_aws_service, dst_instance, dst_eni, dst_kind
    ) AS dst_label
  FROM chosen
  WHERE counted
),
placed AS (
  SELECT
    *,
    CASE WHEN src_kind IN ('network', 'aws_service') THEN src_label ELSE src_kind END AS src_outside,
    CASE WHEN dst_kind IN ('network', 'aws_service') THEN dst_label ELSE dst_kind END AS dst_outside
  FROM called
),
sides AS (
  SELECT
    initiator IS NOT DISTINCT FROM 'dst' AS from_server,
    CASE $by
      WHEN 'pod' THEN coalesce(src_pod, src_label)
      WHEN 'workload' THEN src_label
      WHEN 'namespace' THEN coalesce(src_namespace, src_outside)
      WHEN 'node' THEN coalesce(src_node, src_name, src_network, src_aws_service, src_kind)
      WHEN 'eni' THEN coalesce(src_eni, src_network, src_aws_service, src_kind)
      WHEN 'subnet' THEN coalesce(src_subnet, src_network, src_aws_service, src_kind)
      WHEN 'vpc' THEN coalesce(src_vpc, src_outside)
      WHEN 'az' THEN coalesce(src_az, src_outside)
      ELSE src_address
    END AS source,
    CASE $by
      WHEN 'pod' THEN coalesce(dst_pod, dst_label)
      WHEN 'workload' THEN dst_label
      WHEN 'namespace' THEN coalesce(dst_namespace, dst_outside)
      WHEN 'node' THEN coalesce(dst_node, dst_name, dst_network, dst_aws_service, dst_kind)
      WHEN 'eni' THEN coalesce(dst_eni, dst_network, dst_aws_service, dst_kind)
      WHEN 'subnet' THEN coalesce(dst_subnet, dst_network, dst_aws_service, dst_kind)
      WHEN 'vpc' THEN coalesce(dst_vpc, dst_outside)
      WHEN 'az' THEN coalesce(dst_az, dst_outside)
      ELSE dst_address
    END AS destination,
    CASE WHEN initiator IS NOT NULL AND $ports = 'each' THEN service_port END AS service_port,
    protocol, verdict, packets, bytes, start_time, end_time,
    initiator IS NOT DISTINCT FROM 'src' AND (coalesce(tcp_flags, 0) & 18) = 2 AS opens
  FROM placed
  WHERE ($verdict IS NULL OR verdict = $verdict)
    AND ($pod IS NULL OR dst_pod IN $pod OR src_pod IN $pod)
    AND ($workload IS NULL OR dst_label IN $workload OR src_label IN $workload)
    AND ($namespace IS NULL OR dst_namespace IN $namespace OR src_namespace IN $namespace)
    AND ($node IS NULL OR dst_node IN $node OR src_node IN $node)
    AND ($cluster IS NULL OR dst_cluster IN $cluster OR src_cluster IN $cluster)
    AND ($vpc IS NULL OR dst_vpc IN $vpc OR src_vpc IN $vpc)
    AND ($account IS NULL OR dst_account IN $account OR src_account IN $account)
    AND ($port IS NULL OR dstport IN $port OR srcport IN $port)
    AND ($protocol IS NULL OR protocol IN $protocol)
    AND (
      $network IS NULL
      OR in_networks(src_address, $network) OR in_networks(dst_address, $network)
    )
)
SELECT
  CASE WHEN from_server THEN destination ELSE source END AS client,
  CASE WHEN from_server THEN source ELSE destination END AS server,
  service_port,
  protocol,
  verdict,
  CAST(count(*) AS BIGINT) AS records,
  CAST(count_if(opens) AS BIGINT) AS connections,
  CAST(coalesce(sum(packets) FILTER (NOT from_server), 0) AS BIGINT) AS packets_to_server,
  CAST(coalesce(sum(packets) FILTER (from_server), 0) AS BIGINT) AS packets_to_client,
  CAST(coalesce(sum(bytes) FILTER (NOT from_server), 0) AS BIGINT) AS bytes_to_server,
  CAST(coalesce(sum(bytes) FILTER (from_server), 0) AS BIGINT) AS bytes_to_client,
  min(start_time) AS first_seen,
  max(end_time) AS last_seen
FROM sides
GROUP BY client, server, service_port, protocol, verdict
ORDER BY
  bytes_to_server DESC,
  client ASC NULLS LAST,
  server ASC NULLS LAST,
  service_port ASC NULLS LAST,
  protocol ASC NULLS LAST,
  verdict ASC NULLS LAST
LIMIT $limit
