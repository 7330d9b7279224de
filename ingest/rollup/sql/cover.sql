-- What is missing between two hours in which a flow log told of an observer: the end of the
-- one, the begin of the other, and the hours between. Windows by the clock that lie within
-- the gap, but the first: what was heard last may belong to that. Who was not heard for
-- longer is not known to have been logged meanwhile. A flow log that tells no more is missed
-- while the inventory lists it and another one tells of the same observer.
CREATE OR REPLACE TEMP TABLE spread AS
WITH told AS (
  SELECT
    observer, account_id, vpc_id, subnet_id, hour,
    unnest(logs_of(flow_logs), recursive := TRUE)
  FROM covered
  WHERE observer IS NOT NULL AND first_heard IS NOT NULL
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
  FROM told
  WINDOW hours AS (PARTITION BY observer, flow_log_id ORDER BY hour)
),
gaps AS (
  SELECT * REPLACE (greatest(interval_s, interval_after) AS interval_s)
  FROM pairs
  WHERE hour_after <= hour + to_hours($reach_h)
  UNION ALL
  SELECT p.* REPLACE (
    least(p.observer_heard, l.listed_until, p.hour + to_hours($reach_h + 1)) AS heard_after
  )
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
    * REPLACE (
      unnest(
        generate_series(hour, date_trunc('hour', heard_after), INTERVAL 1 HOUR)
      ) AS hour
    )
  FROM bounds
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
