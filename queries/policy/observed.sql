-- Edges: who spoke to whom at which port, with what would tell why not.
--
-- Returns: client_interface varchar, client_address varchar, client_vpc varchar, client_kind varchar,
--          client_cluster varchar, client_namespace varchar, client_workload varchar,
--          server_interface varchar, server_address varchar, server_vpc varchar, server_kind varchar,
--          server_cluster varchar, server_namespace varchar, server_workload varchar,
--          protocol integer, port integer, first_reply_port integer, last_reply_port integer,
--          is_opener_known boolean, verdict varchar, cause varchar, records bigint, bytes bigint,
--          first_seen timestamptz, last_seen timestamptz
-- Order:   verdict desc, records desc, server_interface asc, server_address asc, client_interface asc, client_address asc, protocol asc, port asc, cause asc
-- Reads:   traffic
-- Fixed:   $by = address, $server_by = address
-- Limit:   10000
-- Note:    Clients of the internet are one row of each server and cause: no rule will be made for
--          them, and they try every port. A group stops only what opens a conversation, so that
--          its source is the client.
WITH told AS (
  SELECT
    *,
    client_kind IS NOT DISTINCT FROM 'internet' AS is_outside,
    protocol IN (6, 17, 33, 132) AS is_ported,
    initiator IS NOT NULL OR reject_cause IS NOT DISTINCT FROM 'security_group' AS is_opener_known
  FROM asked
),
placed AS (
  SELECT
    *,
    CASE WHEN NOT is_outside THEN client_eni END AS client_interface,
    CASE WHEN NOT is_outside THEN client_address END AS one_client,
    CASE
      WHEN is_ported AND is_opener_known AND NOT is_outside THEN coalesce(service_port, dstport)
    END AS port,
    CASE WHEN is_ported THEN CASE WHEN initiator = 'dst' THEN dstport ELSE srcport END END AS reply_port
  FROM told
)
SELECT
  client_interface,
  one_client AS client_address,
  client_vpc, client_kind, client_cluster, client_namespace, client_workload,
  server_eni AS server_interface,
  server_address, server_vpc, server_kind, server_cluster, server_namespace, server_workload,
  protocol,
  port,
  min(reply_port) AS first_reply_port,
  max(reply_port) AS last_reply_port,
  is_opener_known,
  verdict,
  reject_cause AS cause,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM placed
GROUP BY
  client_interface, one_client, client_vpc, client_kind, client_cluster, client_namespace,
  client_workload, server_eni, server_address, server_vpc, server_kind, server_cluster,
  server_namespace, server_workload, protocol, port, is_opener_known, verdict, reject_cause
