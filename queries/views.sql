-- The tables as views over exactly the planned files, by field id: old and new files
-- together, whatever columns each has. The variables are the session's own.
CREATE OR REPLACE TEMP VIEW flows AS
SELECT *, CAST(start_time AS DATE) AS day
FROM read_parquet(getvariable('flows_files'), schema = getvariable('flows_schema'));

CREATE OR REPLACE TEMP VIEW tgw_flows AS
SELECT *, CAST(start_time AS DATE) AS day
FROM read_parquet(getvariable('tgw_flows_files'), schema = getvariable('tgw_flows_schema'));

CREATE OR REPLACE TEMP VIEW sources AS
SELECT *
FROM read_parquet(getvariable('sources_files'), schema = getvariable('sources_schema'));

CREATE OR REPLACE TEMP VIEW silences AS
SELECT *
FROM read_parquet(getvariable('silences_files'), schema = getvariable('silences_schema'));

CREATE OR REPLACE TEMP VIEW quarantine AS
SELECT *
FROM read_parquet(getvariable('quarantine_files'), schema = getvariable('quarantine_schema'));

CREATE OR REPLACE TEMP VIEW identities AS
SELECT *
FROM read_parquet(getvariable('identities_files'), schema = getvariable('identities_schema'));

CREATE OR REPLACE TEMP VIEW configurations AS
SELECT *
FROM read_parquet(getvariable('configurations_files'), schema = getvariable('configurations_schema'));

CREATE OR REPLACE TEMP VIEW edges_hourly AS
SELECT *
FROM read_parquet(getvariable('edges_hourly_files'), schema = getvariable('edges_hourly_schema'));

CREATE OR REPLACE TEMP VIEW edges_daily AS
SELECT *
FROM read_parquet(getvariable('edges_daily_files'), schema = getvariable('edges_daily_schema'));

CREATE OR REPLACE TEMP VIEW endpoints_hourly AS
SELECT *
FROM read_parquet(getvariable('endpoints_hourly_files'), schema = getvariable('endpoints_hourly_schema'));

CREATE OR REPLACE TEMP VIEW rejections_hourly AS
SELECT *
FROM read_parquet(getvariable('rejections_hourly_files'), schema = getvariable('rejections_hourly_schema'));

CREATE OR REPLACE TEMP VIEW coverage_hourly AS
SELECT *
FROM read_parquet(getvariable('coverage_hourly_files'), schema = getvariable('coverage_hourly_schema'));

-- Every record with both its ends as client and server. The client opened the
-- conversation; where that is not known it is the source, and `service_port` is null.
CREATE OR REPLACE TEMP VIEW oriented AS
SELECT
  version, account_id, interface_id, srcaddr, dstaddr, srcport, dstport, protocol, 
  start_time, end_time, action, log_status, vpc_id, subnet_id, instance_id, tcp_flags, type,
  pkt_srcaddr, pkt_dstaddr, region, az_id, sublocation_type, sublocation_id, pkt_src_aws_service,
  pkt_dst_aws_service, flow_direction, traffic_path, ecs_cluster_arn, ecs_cluster_name,
  ecs_container_instance_arn, ecs_container_instance_id, ecs_container_id,
  ecs_second_container_id, ecs_service_name, ecs_task_definition_arn, ecs_task_arn, ecs_task_id,
  reject_reason, resource_id, encryption_status, instance_tag, instance_tag_2, interface_tag,
  interface_tag_2, asg_tag, asg_tag_2, interface_type, next_hop_interface_id, next_hop_subnet_id,
  next_hop_az_id, next_hop_vpc_id, next_hop_interface_type, extra, src_kind, src_cluster,
  src_namespace, src_workload, src_pod, src_node, src_instance, src_eni, src_subnet, src_vpc,
  src_az, src_account, src_security_groups, src_k8s_service, src_aws_service, src_owner,
  src_network, src_name, src_address, src_attribution, dst_kind, dst_cluster, dst_namespace,
  dst_workload, dst_pod, dst_node, dst_instance, dst_eni, dst_subnet, dst_vpc, dst_az,
  dst_account, dst_security_groups, dst_k8s_service, dst_aws_service, dst_owner, dst_network,
  dst_name, dst_address, dst_attribution, direction, observer, role, scope, counted, settled,
  initiator, reject_cause, also_blocked_by, reject_rule, reject_evidence, source_object,
  flow_log_id, CAST(start_time AS DATE) AS day,
  coalesce(verdict, CASE action WHEN 'ACCEPT' THEN 'accepted' WHEN 'REJECT' THEN 'rejected' END) AS verdict,
  CASE WHEN initiator IS NOT NULL THEN service_port END AS service_port,
  coalesce(packets, 0) AS packets,
  coalesce(bytes, 0) AS bytes,
  1 AS records,
  CASE WHEN initiator = 'src' AND (coalesce(tcp_flags, 0) & 18) = 2 THEN 1 ELSE 0 END AS connections,
  CASE WHEN initiator = 'dst' THEN 0 ELSE coalesce(packets, 0) END AS packets_to_server,
  CASE WHEN initiator = 'dst' THEN coalesce(packets, 0) ELSE 0 END AS packets_to_client,
  CASE WHEN initiator = 'dst' THEN 0 ELSE coalesce(bytes, 0) END AS bytes_to_server,
  CASE WHEN initiator = 'dst' THEN coalesce(bytes, 0) ELSE 0 END AS bytes_to_client,
  date_trunc('hour', start_time) AS hour,
  CASE WHEN initiator = 'dst' THEN dst_kind ELSE src_kind END AS client_kind,
  CASE WHEN initiator = 'dst' THEN src_kind ELSE dst_kind END AS server_kind,
  CASE WHEN initiator = 'dst' THEN dst_cluster ELSE src_cluster END AS client_cluster,
  CASE WHEN initiator = 'dst' THEN src_cluster ELSE dst_cluster END AS server_cluster,
  CASE WHEN initiator = 'dst' THEN dst_namespace ELSE src_namespace END AS client_namespace,
  CASE WHEN initiator = 'dst' THEN src_namespace ELSE dst_namespace END AS server_namespace,
  CASE WHEN initiator = 'dst' THEN dst_workload ELSE src_workload END AS client_workload,
  CASE WHEN initiator = 'dst' THEN src_workload ELSE dst_workload END AS server_workload,
  CASE WHEN initiator = 'dst' THEN dst_pod ELSE src_pod END AS client_pod,
  CASE WHEN initiator = 'dst' THEN src_pod ELSE dst_pod END AS server_pod,
  CASE WHEN initiator = 'dst' THEN dst_node ELSE src_node END AS client_node,
  CASE WHEN initiator = 'dst' THEN src_node ELSE dst_node END AS server_node,
  CASE WHEN initiator = 'dst' THEN dst_instance ELSE src_instance END AS client_instance,
  CASE WHEN initiator = 'dst' THEN src_instance ELSE dst_instance END AS server_instance,
  CASE WHEN initiator = 'dst' THEN dst_eni ELSE src_eni END AS client_eni,
  CASE WHEN initiator = 'dst' THEN src_eni ELSE dst_eni END AS server_eni,
  CASE WHEN initiator = 'dst' THEN dst_subnet ELSE src_subnet END AS client_subnet,
  CASE WHEN initiator = 'dst' THEN src_subnet ELSE dst_subnet END AS server_subnet,
  CASE WHEN initiator = 'dst' THEN dst_vpc ELSE src_vpc END AS client_vpc,
  CASE WHEN initiator = 'dst' THEN src_vpc ELSE dst_vpc END AS server_vpc,
  CASE WHEN initiator = 'dst' THEN dst_az ELSE src_az END AS client_az,
  CASE WHEN initiator = 'dst' THEN src_az ELSE dst_az END AS server_az,
  CASE WHEN initiator = 'dst' THEN dst_account ELSE src_account END AS client_account,
  CASE WHEN initiator = 'dst' THEN src_account ELSE dst_account END AS server_account,
  CASE WHEN initiator = 'dst' THEN dst_security_groups ELSE src_security_groups END AS client_security_groups,
  CASE WHEN initiator = 'dst' THEN src_security_groups ELSE dst_security_groups END AS server_security_groups,
  CASE WHEN initiator = 'dst' THEN dst_k8s_service ELSE src_k8s_service END AS client_k8s_service,
  CASE WHEN initiator = 'dst' THEN src_k8s_service ELSE dst_k8s_service END AS server_k8s_service,
  CASE WHEN initiator = 'dst' THEN dst_aws_service ELSE src_aws_service END AS client_aws_service,
  CASE WHEN initiator = 'dst' THEN src_aws_service ELSE dst_aws_service END AS server_aws_service,
  CASE WHEN initiator = 'dst' THEN dst_owner ELSE src_owner END AS client_owner,
  CASE WHEN initiator = 'dst' THEN src_owner ELSE dst_owner END AS server_owner,
  CASE WHEN initiator = 'dst' THEN dst_network ELSE src_network END AS client_network,
  CASE WHEN initiator = 'dst' THEN src_network ELSE dst_network END AS server_network,
  CASE WHEN initiator = 'dst' THEN dst_name ELSE src_name END AS client_name,
  CASE WHEN initiator = 'dst' THEN src_name ELSE dst_name END AS server_name,
  CASE WHEN initiator = 'dst' THEN dst_address ELSE src_address END AS client_address,
  CASE WHEN initiator = 'dst' THEN src_address ELSE dst_address END AS server_address,
  CASE WHEN initiator = 'dst' THEN dst_attribution ELSE src_attribution END AS client_attribution,
  CASE WHEN initiator = 'dst' THEN src_attribution ELSE dst_attribution END AS server_attribution
FROM flows;

-- Each packet once: the records that count. Whether a record counts whose direction
-- nobody knows is not known either: it is here, and every answer says how many there are.
CREATE OR REPLACE TEMP VIEW traffic AS
SELECT * FROM oriented WHERE counted IS NOT FALSE;
