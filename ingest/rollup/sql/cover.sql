-- What is missing between two hours in which a flow log told of an observer: the end of the
-- one, the begin of the other, and the hours between. Windows by the clock that lie within
-- the gap, but the first: what was heard last may belong to that. Who was not heard for
-- longer is not known to have been logged meanwhile. A flow log that tells no more is missed
-- while the inventory lists it and another one tells of the same observer.
CREATE OR REPLACE TEMP TABLE spread AS
WITH told AS (
  SELECT observer, hour, unnest(logs_of(flow_logs), recursive := TRUE)
  FROM covered
),
own AS (
  SELECT
    * REPLACE (
      windows_seen + windows_silent + windows_skipped + windows_between AS windows_expected
    )
  FROM told
  WHERE windows_seen + windows_silent + windows_skipped > 0
),
pairs AS (
  SELECT
    *,
    lead(hour) OVER hours AS hour_after,
    lead(first_heard) OVER hours AS heard_after,
    lead(interval_s) OVER hours AS interval_after,
    max(last_heard) OVER (
      PARTITION BY observer ORDER BY hour
      RANGE BETWEEN CURRENT ROW AND to_hours($reach_h) FOLLOWING
    ) AS observer_heard
  FROM own
  WHERE observer IS NOT NULL AND first_heard IS NOT NULL
  WINDOW hours AS (PARTITION BY observer, flow_log_id ORDER BY hour)
),
gaps AS (
  SELECT
    observer, flow_log_id, hour, last_heard, heard_after,
    greatest(interval_s, interval_after) AS interval_s
  FROM pairs
  WHERE hour_after <= hour + to_hours($reach_h)
  UNION ALL BY NAME
  SELECT
    p.observer, p.flow_log_id, p.hour, p.last_heard, p.interval_s,
    least(p.observer_heard, l.listed_until, p.hour + to_hours($reach_h + 1)) AS heard_after
  FROM pairs AS p
  JOIN listed AS l ON l.flow_log_id = p.flow_log_id AND l.listed_from <= p.last_heard
  WHERE p.hour_after IS NULL OR p.hour_after > p.hour + to_hours($reach_h)
),
bounds AS (
  SELECT
    *,
    CAST(ceil(epoch(last_heard) / interval_s) AS BIGINT) + 1 AS first_window,
    CAST(floor(epoch(heard_after) / interval_s) AS BIGINT) AS end_window
  FROM gaps
),
missing AS (
  SELECT
    observer, flow_log_id, interval_s, first_window, end_window,
    unnest(
      generate_series(hour, date_trunc('hour', heard_after), INTERVAL 1 HOUR)
    ) AS hour
  FROM bounds
  WHERE end_window > first_window
),
-- An hour has what was heard in it, and up to two gaps.
parts AS (
  SELECT * FROM own
  UNION ALL BY NAME
  SELECT
    observer, hour, flow_log_id, interval_s, 0 AS windows_seen, 0 AS windows_silent,
    0 AS windows_skipped, 0 AS windows_between,
    greatest(
      0,
      least(end_window, CAST(epoch(hour) + 3600 AS BIGINT) // interval_s)
      - greatest(first_window, CAST(epoch(hour) AS BIGINT) // interval_s)
    ) AS windows_expected
  FROM missing
),
logs AS (
  SELECT
    observer, hour, flow_log_id,
    coalesce(
      max(interval_s) FILTER (first_heard IS NOT NULL), max(interval_s)
    ) AS interval_s,
    CAST(sum(windows_expected) AS BIGINT) AS windows_expected,
    CAST(sum(windows_seen) AS BIGINT) AS windows_seen,
    CAST(sum(windows_silent) AS BIGINT) AS windows_silent,
    CAST(sum(windows_skipped) AS BIGINT) AS windows_skipped,
    CAST(sum(windows_between) AS BIGINT) AS windows_between,
    min(first_heard) AS first_heard,
    max(last_heard) AS last_heard
  FROM parts
  GROUP BY observer, hour, flow_log_id
  HAVING sum(windows_expected) > 0
),
observers AS (
  SELECT
    observer, hour,
    max(interval_s) AS interval_s,
    CAST(sum(windows_expected) AS BIGINT) AS windows_expected,
    CAST(
      to_json(
        list(
          {
            flow_log_id: flow_log_id, interval_s: interval_s,
            windows_expected: windows_expected, windows_seen: windows_seen,
            windows_silent: windows_silent, windows_skipped: windows_skipped,
            windows_between: windows_between, first_heard: first_heard,
            last_heard: last_heard
          } ORDER BY flow_log_id
        )
      ) AS VARCHAR
    ) AS flow_logs
  FROM logs
  GROUP BY observer, hour
),
places AS (
  SELECT
    observer,
    min(account_id) AS account_id, min(vpc_id) AS vpc_id, min(subnet_id) AS subnet_id
  FROM covered
  GROUP BY observer
)
SELECT c.* REPLACE (
  o.windows_expected AS windows_expected, o.interval_s AS interval_s, o.flow_logs AS flow_logs
)
FROM covered AS c
JOIN observers AS o ON o.observer IS NOT DISTINCT FROM c.observer AND o.hour = c.hour
UNION ALL BY NAME
SELECT
  CAST(o.hour AS DATE) AS day, o.hour, o.observer, p.account_id, p.vpc_id, p.subnet_id,
  o.interval_s, o.windows_expected, 0 AS windows_seen, 0 AS windows_silent,
  0 AS windows_skipped, 0 AS records, 0 AS undecided, 0 AS unsettled, 0 AS unmatched,
  0 AS unattributed, 0 AS sides, 0 AS sides_attributed, 0 AS windows_between, o.flow_logs
FROM observers AS o
JOIN places AS p ON p.observer = o.observer
ANTI JOIN covered AS c ON o.observer = c.observer AND o.hour = c.hour
