-- How long each interface was heard of within the window, by flow logs that record what
-- was accepted, and by those that record what was rejected; in seconds.
--
-- Of an hour the share that arrived counts; what AWS skipped did not. A flow log
-- that nobody listed records the actions that it showed within the window.
WITH listed AS (
  SELECT
    resource_id AS flow_log_id,
    bool_or(json_extract_string(document, '$.TrafficType') IS DISTINCT FROM 'REJECT') AS accepts,
    bool_or(json_extract_string(document, '$.TrafficType') IS DISTINCT FROM 'ACCEPT') AS rejects
  FROM configurations
  WHERE resource_type = 'flow_log'
  GROUP BY resource_id
),
shown AS (
  SELECT
    flow_log_id,
    CASE WHEN flow_log_id IS NULL THEN observer END AS observer,
    bool_or(action = 'ACCEPT') AS accepts,
    bool_or(action = 'REJECT') AS rejects
  FROM flows
  WHERE flow_log_id IS NULL OR flow_log_id NOT IN (SELECT flow_log_id FROM listed)
  GROUP BY ALL
),
logs AS (
  SELECT flow_log_id, NULL AS observer, accepts, rejects FROM listed
  UNION ALL
  SELECT flow_log_id, observer, accepts, rejects FROM shown
),
told AS (
  SELECT DISTINCT
    observer, hour, unnest(from_json(flow_logs, '[{"flow_log_id": "VARCHAR"}]'), recursive := TRUE)
  FROM coverage_hourly
  WHERE flow_logs IS NOT NULL
),
actions AS (
  SELECT
    t.observer, t.hour,
    bool_or(coalesce(l.accepts, FALSE)) AS accepts,
    bool_or(coalesce(l.rejects, FALSE)) AS rejects
  FROM told AS t
  LEFT JOIN logs AS l
    ON t.flow_log_id IS NOT DISTINCT FROM l.flow_log_id
    AND (l.observer IS NULL OR l.observer = t.observer)
  GROUP BY ALL
),
ends AS (
  SELECT
    observer,
    any_value(vpc_id) AS vpc,
    CAST(sum(records) AS BIGINT) AS records,
    min(first_heard) AS first_heard,
    max(last_heard) AS last_heard,
    max(coalesce(interval_s, 0)) * INTERVAL 1 SECOND AS around
  FROM coverage_hourly
  GROUP BY observer
),
whole AS (
  SELECT least(CAST($until AS TIMESTAMPTZ), max(last_heard)) AS through FROM ends
),
hours AS (
  SELECT
    c.observer, c.hour,
    least(c.windows_seen + coalesce(c.windows_silent, 0), c.windows_expected)
    / nullif(c.windows_expected, 0) * greatest(
      epoch(least(c.hour + INTERVAL 1 HOUR, w.through, e.last_heard + e.around))
      - epoch(greatest(c.hour, CAST($since AS TIMESTAMPTZ), e.first_heard - e.around)),
      0
    ) AS seconds
  FROM coverage_hourly AS c
  JOIN ends AS e ON e.observer = c.observer
  CROSS JOIN whole AS w
)
SELECT
  e.observer AS interface,
  e.vpc,
  e.records,
  CAST(floor(epoch(e.first_heard)) AS BIGINT) AS first_heard,
  CAST(ceil(epoch(e.last_heard)) AS BIGINT) AS last_heard,
  CAST(ceil(epoch(w.through)) AS BIGINT) AS through,
  coalesce(sum(h.seconds) FILTER (a.accepts), 0) AS accept_s,
  coalesce(sum(h.seconds) FILTER (a.rejects), 0) AS reject_s
FROM ends AS e
CROSS JOIN whole AS w
LEFT JOIN hours AS h ON h.observer = e.observer
LEFT JOIN actions AS a ON a.observer = h.observer AND a.hour = h.hour
GROUP BY ALL
ORDER BY interface ASC
