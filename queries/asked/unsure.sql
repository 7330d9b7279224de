-- Tell if sources that `rejections_hourly` has folded leave an answer in doubt.
--
-- Note:    They do where their workload does not tell what the client is called, or where it is not
--          sure either that there are more than 1,000 sources of that workload. What is asked about
--          is of folded sources alone.
WITH placed AS (
  SELECT
    is_asked, client_label, client_address, client_addresses, folded_clients,
    row(
      hour, server_kind, server_cluster, server_namespace, server_label, server_pod, server_node,
      server_eni, server_subnet, server_az, server_vpc, server_account,
      client_cluster, client_namespace, client_label,
      CASE WHEN $ports <> 'together' THEN service_port END, protocol, reject_cause
    ) AS crowd
  FROM (
    SELECT *, FALSE AS is_asked FROM called
    UNION ALL
    SELECT *, TRUE AS is_asked FROM asked
  )
),
crowds AS (
  SELECT crowd
  FROM placed
  WHERE NOT is_asked AND crowd IN (SELECT crowd FROM placed WHERE is_asked)
  GROUP BY crowd
  HAVING count(DISTINCT client_address) + max(CASE WHEN folded_clients THEN client_addresses END) > 1000
)
SELECT count(*) > 0 AS found
FROM placed
WHERE is_asked
  AND (
    client_label IS NULL
    OR client_label = 'other'  -- to a principal with limits: nobody knows of whom
    OR ($by <> 'workload' AND client_label <> 'internet')
    OR crowd NOT IN (SELECT crowd FROM crowds)
  )
