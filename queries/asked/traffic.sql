-- The traffic of a window, with what both ends are called; each packet once.
--
-- Params:  $since timestamptz = 24h, $until timestamptz = now,
--          $by varchar in pod|workload|namespace|cluster|node|instance|eni|subnet|vpc|az|account|security_group|address|k8s_service|aws_service|owner|network|scope|port = workload,
--          $server_by varchar? in pod|workload|namespace|cluster|node|instance|eni|subnet|vpc|az|account|security_group|address|k8s_service|aws_service|owner|network|scope|port 'What the server is called by, if otherwise than the client.'
-- Reads:   flows
-- Note:    An end that has none of what is asked is called by its network label or AWS
--          service, else by its kind; a pod, a workload or a node without a name of its own
--          by its label. By port the client is of its kind and the server a port.
WITH labelled AS (
  SELECT
    *,
    FALSE AS folded_ports,
    FALSE AS folded_clients,
    start_time AS first_seen,
    end_time AS last_seen,
    coalesce(
      client_workload, client_node, client_name, client_network, client_aws_service,
      client_instance, client_eni, client_kind
    ) AS client_label,
    coalesce(
      server_workload, server_node, server_name, server_network, server_aws_service,
      server_instance, server_eni, server_kind
    ) AS server_label
  FROM oriented
  WHERE start_time >= $from AND start_time < $until AND (counted IS NOT FALSE OR $uncounted)
),
placed AS (
  SELECT
    *,
    CASE WHEN client_kind IN ('network', 'aws_service') THEN client_label ELSE client_kind END AS client_outside,
    CASE WHEN server_kind IN ('network', 'aws_service') THEN server_label ELSE server_kind END AS server_outside
  FROM labelled
)
SELECT
  *,
  CASE $by
    WHEN 'pod' THEN coalesce(client_pod, client_label)
    WHEN 'workload' THEN client_label
    WHEN 'namespace' THEN coalesce(client_namespace, client_outside)
    WHEN 'cluster' THEN coalesce(client_cluster, client_outside)
    WHEN 'node' THEN coalesce(client_node, client_label)
    WHEN 'instance' THEN coalesce(client_instance, client_outside)
    WHEN 'eni' THEN coalesce(client_eni, client_outside)
    WHEN 'subnet' THEN coalesce(client_subnet, client_outside)
    WHEN 'vpc' THEN coalesce(client_vpc, client_outside)
    WHEN 'az' THEN coalesce(client_az, client_outside)
    WHEN 'account' THEN coalesce(client_account, client_outside)
    WHEN 'security_group' THEN coalesce(array_to_string(client_security_groups, ','), client_outside)
    WHEN 'address' THEN client_address
    WHEN 'k8s_service' THEN coalesce(client_k8s_service, client_outside)
    WHEN 'aws_service' THEN coalesce(client_aws_service, client_outside)
    WHEN 'owner' THEN coalesce(client_owner, client_outside)
    WHEN 'network' THEN coalesce(client_network, client_outside)
    WHEN 'scope' THEN scope
    ELSE client_kind
  END AS client,
  CASE coalesce($server_by, $by)
    WHEN 'pod' THEN coalesce(server_pod, server_label)
    WHEN 'workload' THEN server_label
    WHEN 'namespace' THEN coalesce(server_namespace, server_outside)
    WHEN 'cluster' THEN coalesce(server_cluster, server_outside)
    WHEN 'node' THEN coalesce(server_node, server_label)
    WHEN 'instance' THEN coalesce(server_instance, server_outside)
    WHEN 'eni' THEN coalesce(server_eni, server_outside)
    WHEN 'subnet' THEN coalesce(server_subnet, server_outside)
    WHEN 'vpc' THEN coalesce(server_vpc, server_outside)
    WHEN 'az' THEN coalesce(server_az, server_outside)
    WHEN 'account' THEN coalesce(server_account, server_outside)
    WHEN 'security_group' THEN coalesce(array_to_string(server_security_groups, ','), server_outside)
    WHEN 'address' THEN server_address
    WHEN 'k8s_service' THEN coalesce(server_k8s_service, server_outside)
    WHEN 'aws_service' THEN coalesce(server_aws_service, server_outside)
    WHEN 'owner' THEN coalesce(server_owner, server_outside)
    WHEN 'network' THEN coalesce(server_network, server_outside)
    WHEN 'scope' THEN scope
    ELSE
      CASE
        WHEN protocol IN (6, 17, 33, 132) THEN CAST(coalesce(service_port, least(srcport, dstport)) AS VARCHAR)
        ELSE 'protocol ' || CAST(protocol AS VARCHAR)
      END
  END AS server
FROM placed
