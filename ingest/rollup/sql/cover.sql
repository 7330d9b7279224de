-- What is missing between two hours in which an observer was heard: the end of the one,
-- the begin of the other, and the hours between. Windows by the clock that lie within the
-- gap, but the first: what was heard last may belong to that. Who was not heard for longer
-- is not known to have been logged meanwhile.
CREATE OR REPLACE TEMP TABLE spread AS
WITH heard AS (
  SELECT
    observer, account_id, vpc_id, subnet_id, hour, first_heard,
    lag(hour) OVER hours AS hour_before,
    lag(last_heard) OVER hours AS heard_before,
    greatest(interval_s, lag(interval_s) OVER hours) AS interval_s
  FROM covered
  WHERE observer IS NOT NULL AND first_heard IS NOT NULL
  WINDOW hours AS (PARTITION BY observer ORDER BY hour)
),
gaps AS (
  SELECT
    *,
    CAST(ceil(epoch(heard_before) / interval_s) AS BIGINT) + 1 AS first_window,
    CAST(floor(epoch(first_heard) / interval_s) AS BIGINT) AS end_window
  FROM heard
  WHERE hour_before IS NOT NULL AND hour <= hour_before + to_hours($reach_h)
),
missing AS (
  SELECT
    observer, account_id, vpc_id, subnet_id, interval_s, first_window, end_window,
    unnest(generate_series(hour_before, hour, INTERVAL 1 HOUR)) AS hour
  FROM gaps
  WHERE end_window > first_window
),
by_hour AS (
  SELECT
    observer, hour,
    min(account_id) AS account_id, min(vpc_id) AS vpc_id, min(subnet_id) AS subnet_id,
    max(interval_s) AS interval_s,
    CAST(
      sum(
        greatest(
          0,
          least(end_window, CAST(epoch(hour) + 3600 AS BIGINT) // interval_s)
          - greatest(first_window, CAST(epoch(hour) AS BIGINT) // interval_s)
        )
      ) AS BIGINT
    ) AS windows
  FROM missing
  GROUP BY observer, hour
)
SELECT c.* REPLACE (c.windows_expected + coalesce(m.windows, 0) AS windows_expected)
FROM covered AS c
LEFT JOIN by_hour AS m ON m.observer = c.observer AND m.hour = c.hour
UNION ALL BY NAME
SELECT
  CAST(m.hour AS DATE) AS day, m.hour, m.observer, m.account_id, m.vpc_id, m.subnet_id,
  m.interval_s, m.windows AS windows_expected, 0 AS windows_seen, 0 AS windows_silent,
  0 AS windows_skipped, 0 AS records, 0 AS undecided, 0 AS unsettled, 0 AS unmatched,
  0 AS unattributed, 0 AS sides, 0 AS sides_attributed, 0 AS windows_between
FROM by_hour AS m
ANTI JOIN covered AS c ON m.observer = c.observer AND m.hour = c.hour
WHERE m.windows > 0
