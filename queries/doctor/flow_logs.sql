-- Every flow log that the inventory or an object's name tells of, and its format.
WITH listed AS (
  SELECT
    json_extract_string(document, '$.FlowLogId') AS flow_log_id,
    json_extract_string(document, '$.ResourceId') AS resource_id,
    json_extract_string(document, '$.TrafficType') AS traffic_type,
    json_extract_string(document, '$.LogFormat') AS log_format,
    json_extract_string(document, '$.DeliverLogsStatus') AS delivery,
    json_extract_string(document, '$.DeliverLogsErrorMessage') AS delivery_error,
    account
  FROM configurations
  WHERE resource_type = 'flow_log' AND day IS NULL
),
read AS (
  SELECT
    flow_log_id,
    any_value(fields) AS fields,
    any_value(account_id) AS account
  FROM sources
  WHERE head = 'flows' AND flow_log_id IS NOT NULL AND fields IS NOT NULL
  GROUP BY flow_log_id
)
SELECT
  coalesce(l.flow_log_id, r.flow_log_id) AS flow_log_id,
  l.resource_id,
  coalesce(l.traffic_type, 'ALL') AS traffic_type,
  coalesce(
    r.fields,
    regexp_extract_all(l.log_format, '\$\{([a-z0-9-]+)\}', 1)
  ) AS fields,
  l.delivery,
  l.delivery_error,
  coalesce(l.account, r.account) AS account,
  l.flow_log_id IS NOT NULL AS listed
FROM listed l
FULL JOIN read r ON l.flow_log_id = r.flow_log_id
ORDER BY flow_log_id ASC
