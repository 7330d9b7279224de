-- How long each interface was surely heard of within the window, by flow logs that record
-- what was accepted, and by those that record what was rejected; in seconds.
--
-- Each flow log stands for itself, and of an hour the best one counts. Its windows with
-- records and silences are held against the time for which the interface was there: what
-- they do not fill is missing, be it one window, and what AWS skipped is too; of a lake that
-- did not yet tell what may be missing, all. An hour of which the window has a part may miss
-- all of it there. A flow log that nobody listed records the actions that it showed within
-- the window.
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
  SELECT
    observer, hour,
    unnest(
      from_json(
        flow_logs,
        '[{
          "flow_log_id": "VARCHAR", "interval_s": "BIGINT", "windows_seen": "BIGINT",
          "windows_silent": "BIGINT", "windows_skipped": "BIGINT", "windows_between": "BIGINT",
          "own_interval_s": "BIGINT", "holes_s": "BIGINT", "longest_s": "BIGINT",
          "off_clock": "BOOLEAN", "first_heard": "TIMESTAMPTZ", "last_heard": "TIMESTAMPTZ"
        }]'
      ),
      recursive := TRUE
    )
  FROM coverage_hourly
  WHERE flow_logs IS NOT NULL
),
-- Windows are counted by the clock where they surely begin by it: records long enough to lie
-- in two of its windows did not. Else whatever may be missing between two records counts.
phased AS (
  SELECT
    *,
    epoch(first_heard) AS first_s,
    epoch(last_heard) AS last_s,
    lag(epoch(last_heard)) OVER hours AS before_s,
    lead(epoch(first_heard)) OVER hours AS after_s,
    coalesce(
      NOT bool_or(off_clock) OVER log
      AND bool_and(own_interval_s = interval_s) OVER log
      AND sum(longest_s) OVER log >= 10 * max(interval_s) OVER log, FALSE
    ) AS on_clock
  FROM told
  WINDOW
    log AS (PARTITION BY observer, flow_log_id),
    hours AS (PARTITION BY observer, flow_log_id ORDER BY hour)
),
ends AS (
  SELECT
    observer,
    any_value(vpc_id) AS vpc,
    CAST(sum(records) AS BIGINT) AS records,
    min(first_heard) AS first_heard,
    max(last_heard) AS last_heard
  FROM coverage_hourly
  GROUP BY observer
),
whole AS (
  SELECT least(CAST($until AS TIMESTAMPTZ), max(last_heard)) AS through FROM ends
),
-- From the first to the last window, by the clock, in which anything was heard of an
-- interface. Where the lake's records end, one of each flow log may be on its way.
lives AS (
  SELECT
    t.* REPLACE (epoch(t.hour) AS hour),
    t.interval_s * floor(epoch(e.first_heard) / t.interval_s) AS begin_s,
    t.interval_s * ceil(epoch(e.last_heard) / t.interval_s) AS end_s,
    t.interval_s * ceil(
      epoch(max(t.last_heard) OVER (PARTITION BY t.observer, t.flow_log_id)) / t.interval_s
    ) AS told_s,
    CASE WHEN w.through < $until THEN t.interval_s ELSE 0 END AS late_s,
    epoch(w.through) AS through_s
  FROM phased AS t
  JOIN ends AS e ON e.observer = t.observer
  CROSS JOIN whole AS w
),
within AS (
  SELECT
    *,
    greatest(hour, begin_s) AS from_s,
    least(hour + 3600, greatest(end_s - late_s, least(told_s, end_s))) AS to_s
  FROM lives
),
hours AS (
  SELECT
    t.observer, t.hour,
    coalesce(l.accepts, FALSE) AS accepts,
    coalesce(l.rejects, FALSE) AS rejects,
    least(hour + 3600, through_s, end_s + late_s)
    - greatest(hour, epoch(CAST($since AS TIMESTAMPTZ)), begin_s) AS there_s,
    CASE WHEN on_clock THEN
      greatest(
        t.interval_s * (coalesce(windows_skipped, 0) + coalesce(windows_between, 0)),
        to_s - from_s - t.interval_s * (coalesce(windows_seen, 0) + coalesce(windows_silent, 0))
      )
    ELSE
      t.interval_s * coalesce(windows_skipped, 0)
      + coalesce(holes_s, 3600)
      + CASE WHEN first_s - coalesce(before_s, from_s) >= own_interval_s
          THEN greatest(0, first_s - from_s) ELSE 0 END
      + CASE WHEN coalesce(after_s, to_s) - last_s >= own_interval_s
          THEN greatest(0, to_s - last_s) ELSE 0 END
    END AS missing_s
  FROM within AS t
  LEFT JOIN logs AS l
    ON t.flow_log_id IS NOT DISTINCT FROM l.flow_log_id
    AND (l.observer IS NULL OR l.observer = t.observer)
),
best AS (
  SELECT
    observer, hour,
    max(greatest(0, there_s - missing_s)) FILTER (accepts) AS accept_s,
    max(greatest(0, there_s - missing_s)) FILTER (rejects) AS reject_s
  FROM hours
  GROUP BY observer, hour
)
SELECT
  e.observer AS interface,
  e.vpc,
  e.records,
  CAST(floor(epoch(e.first_heard)) AS BIGINT) AS first_heard,
  CAST(ceil(epoch(e.last_heard)) AS BIGINT) AS last_heard,
  CAST(ceil(epoch(w.through)) AS BIGINT) AS through,
  coalesce(sum(b.accept_s), 0) AS accept_s,
  coalesce(sum(b.reject_s), 0) AS reject_s
FROM ends AS e
CROSS JOIN whole AS w
LEFT JOIN best AS b ON b.observer = e.observer
GROUP BY ALL
ORDER BY interface ASC
