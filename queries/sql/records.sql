-- List the records themselves, as they were logged, with who both ends were.
--
-- Returns: start_time timestamptz, end_time timestamptz, account_id varchar, region varchar, observer varchar,
--          direction varchar, action varchar, protocol integer, src_address varchar, srcport integer,
--          dst_address varchar, dstport integer, src_name varchar, dst_name varchar, packets bigint, bytes bigint,
--          tcp_flags integer, verdict varchar, counted boolean, role varchar, scope varchar,
--          reject_cause varchar, reject_rule varchar, src_attribution varchar, dst_attribution varchar,
--          flow_log_id varchar
-- Order:   start_time asc, end_time asc, observer asc, action asc, protocol asc, src_address asc, srcport asc, dst_address asc, dstport asc, packets asc, bytes asc, tcp_flags asc, account_id asc, region asc, direction asc, src_name asc, dst_name asc, verdict asc, counted asc, role asc, scope asc, reject_cause asc, reject_rule asc, src_attribution asc, dst_attribution asc, flow_log_id asc
-- Reads:   traffic
-- Fixed:   $server_by = pod, $by = pod, $uncounted = true
-- Limit:   100
-- Note:    All of them, those too whose packets are counted at another interface (`counted` false), so
--          their sums are no traffic. `src_name` and `dst_name` are the pod, else what it is called by workload.
SELECT
  start_time, end_time, account_id, region, observer, direction, action, protocol,
  src_address, srcport, dst_address, dstport,
  CASE WHEN initiator = 'dst' THEN server ELSE client END AS src_name,
  CASE WHEN initiator = 'dst' THEN client ELSE server END AS dst_name,
  packets, bytes, tcp_flags, verdict, counted, role, scope, reject_cause, reject_rule,
  src_attribution, dst_attribution, flow_log_id
FROM asked
