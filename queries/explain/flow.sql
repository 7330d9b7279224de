-- Find the packets that are to be explained: distinct ones, those rejected first, then the most.
--
-- Params:  $client varchar? 'What the client is called, as a report gives it.',
--          $server varchar? 'What the server is called, as a report gives it.',
--          $service_port port? 'Port of the server.',
--          $reject_cause varchar? in security_group|network_acl|block_public_access|encryption_control|late_packet|idle_timeout|undetermined 'Why it was rejected, as a report gives it.',
--          $src address? 'Packet address of the source.',
--          $dst address? 'Packet address of the destination.',
--          $srcport port? 'Source port.',
--          $dstport port? 'Destination port.'
-- Returns: interface varchar, observer varchar, direction varchar, action varchar, verdict varchar, reject_cause varchar,
--          reject_rule varchar, reject_evidence varchar, also_blocked_by varchar, reject_reason varchar, role varchar,
--          is_request boolean, protocol integer, srcport integer, lowest_srcport integer, dstport integer,
--          src_address varchar, src_eni varchar, src_subnet varchar, src_vpc varchar, src_kind varchar, src_namespace varchar,
--          src_pod varchar, src_name varchar, src_node varchar, src_attribution varchar,
--          dst_address varchar, dst_eni varchar, dst_subnet varchar, dst_vpc varchar, dst_kind varchar, dst_namespace varchar,
--          dst_pod varchar, dst_name varchar, dst_node varchar, dst_attribution varchar,
--          settled boolean, tcp_flags integer, records bigint, packets bigint, bytes bigint,
--          first_seen timestamptz, last_seen timestamptz, start_time timestamptz, end_time timestamptz
-- Order:   action desc, records desc, last_seen desc, interface asc, src_address asc, dst_address asc, dstport asc
-- Reads:   traffic
-- Fixed:   $uncounted = true
-- Limit:   5
SELECT
  interface_id AS interface, observer, direction, action, verdict, reject_cause, reject_rule, reject_evidence,
  also_blocked_by, reject_reason, role,
  CASE initiator WHEN 'src' THEN TRUE WHEN 'dst' THEN FALSE END AS is_request,
  protocol, max(srcport) AS srcport, min(srcport) AS lowest_srcport, dstport,
  src_address, src_eni, src_subnet, src_vpc, src_kind, src_namespace, src_pod, src_name, src_node, src_attribution,
  dst_address, dst_eni, dst_subnet, dst_vpc, dst_kind, dst_namespace, dst_pod, dst_name, dst_node, dst_attribution,
  bool_and(settled) AS settled, bit_or(tcp_flags) AS tcp_flags,
  count(*) AS records, CAST(sum(packets) AS BIGINT) AS packets, CAST(sum(bytes) AS BIGINT) AS bytes,
  min(start_time) AS first_seen, max(end_time) AS last_seen,
  max(start_time) AS start_time, arg_max(end_time, start_time) AS end_time
FROM asked
WHERE ($client IS NULL OR client = $client)
  AND ($server IS NULL OR server = $server)
  AND ($service_port IS NULL OR service_port = $service_port)
  AND ($reject_cause IS NULL OR reject_cause = $reject_cause)
  AND ($src IS NULL OR src_address = $src)
  AND ($dst IS NULL OR dst_address = $dst)
  AND ($srcport IS NULL OR srcport = $srcport)
  AND ($dstport IS NULL OR dstport = $dstport)
GROUP BY ALL
