-- Every flow log that the inventory still lists, or that records came of and the inventory
-- does not know; its format, and how many of its records name no observer. Those of transit
-- gateways have fields of their own; one that delivers elsewhere costs nothing here.
WITH listed AS (
  SELECT
    resource_id AS flow_log_id,
    json_extract_string(document, '$.ResourceId') AS resource_id,
    json_extract_string(document, '$.LogFormat') AS log_format,
    json_extract_string(document, '$.DeliverLogsStatus') AS delivery,
    json_extract_string(document, '$.DeliverLogsErrorMessage') AS delivery_error,
    account
  FROM configurations
  WHERE resource_type = 'flow_log' AND day IS NULL
    AND resource_id NOT IN (
      SELECT flow_log_id FROM logs WHERE is_elsewhere AND NOT is_failed
    )
),
ended AS (
  SELECT resource_id AS flow_log_id
  FROM configurations
  WHERE resource_type = 'flow_log' AND day IS NOT NULL
),
read AS (
  SELECT
    flow_log_id,
    arg_max(fields, coalesce(last_end, key_time)) AS fields,
    any_value(account_id) AS account
  FROM sources
  WHERE head = 'flows' AND flow_log_id IS NOT NULL AND fields IS NOT NULL
    AND coalesce(last_end, key_time) >= $since
  GROUP BY flow_log_id
),
unobserved AS (
  SELECT flow_log_id, count(*) AS records
  FROM flows
  WHERE start_time >= $since AND observer IS NULL
  GROUP BY flow_log_id
)
SELECT
  coalesce(l.flow_log_id, r.flow_log_id) AS flow_log_id,
  l.resource_id,
  coalesce(
    r.fields,
    regexp_extract_all(l.log_format, '\$\{([a-z0-9-]+)\}', 1)
  ) AS fields,
  l.delivery,
  l.delivery_error,
  coalesce(l.account, r.account) AS account,
  coalesce(u.records, 0) AS unobserved
FROM listed AS l
FULL JOIN read AS r ON l.flow_log_id = r.flow_log_id
LEFT JOIN unobserved AS u ON u.flow_log_id = coalesce(l.flow_log_id, r.flow_log_id)
WHERE coalesce(l.resource_id, '') NOT LIKE 'tgw-%'
  AND (l.flow_log_id IS NOT NULL OR r.flow_log_id NOT IN (SELECT flow_log_id FROM ended))
ORDER BY flow_log_id ASC
