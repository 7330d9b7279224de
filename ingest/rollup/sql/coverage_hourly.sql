-- What each observer told of the hour, flow log by flow log; see cover.sql for what is
-- missing at its begin and its end. A window is surely missing where nothing was heard
-- for longer than two: records of one window may lie at its very begin, of the next at its
-- very end. So nothing that came is ever said to be missing. What two flow logs tell of one
-- interface are windows of both: neither stands in for the other. Of each it also stands
-- what is at most missing: windows of an interface may be shorter than others' of its flow
-- log, and begin otherwise than the clock's minutes.
WITH told AS (
  SELECT
    observer, flow_log_id, NULL AS log_status, first_start AS start_time,
    last_end AS end_time, minute * 60 AS second, longest_s
  FROM heard
  UNION ALL
  SELECT
    observer, flow_log_id, log_status, start_time, end_time,
    CAST(floor(epoch(start_time)) AS BIGINT) AS second,
    (epoch_us(end_time) - epoch_us(start_time)) // 1000000 AS longest_s
  FROM silent
),
logs AS (
  SELECT
    coalesce(flow_log_id, observer) AS log,
    CASE WHEN max(longest_s) > $short_s THEN 600 ELSE 60 END AS interval_s
  FROM told
  GROUP BY coalesce(flow_log_id, observer)
),
told_apart AS (
  SELECT
    *,
    CASE
      WHEN max(longest_s) OVER own > $short_s
        AND NOT bool_or(coalesce(log_status = 'NODATA' AND longest_s <= $short_s, FALSE)) OVER own
        THEN 600
      ELSE 60
    END AS own_interval_s,
    -- An interface's own windows are surely short: it was silent for a short one, or in many
    -- minutes it told of nearly all of a short one, and never of more.
    max(longest_s) OVER own <= $short_s AND (
      bool_or(coalesce(log_status = 'NODATA', FALSE)) OVER own
      OR count(*) FILTER (log_status IS NULL AND longest_s >= $nearly_s) OVER own >= $nearly
    ) AS is_short
  FROM told
  WINDOW own AS (PARTITION BY observer, flow_log_id)
),
timed AS (
  SELECT t.*, CASE WHEN t.is_short THEN 60 ELSE l.interval_s END AS interval_s
  FROM told_apart AS t
  JOIN logs AS l ON l.log IS NOT DISTINCT FROM coalesce(t.flow_log_id, t.observer)
),
gaps AS (
  SELECT
    t.*,
    t.second // t.interval_s AS bin,
    -- Records of a window of which others were skipped do not make it whole.
    coalesce(
      bool_or(t.log_status = 'SKIPDATA') OVER (
        PARTITION BY t.observer, t.flow_log_id, t.second // t.interval_s
      ), FALSE
    ) AS is_skipped,
    epoch(t.end_time) > (t.second // t.own_interval_s + 1) * t.own_interval_s AS is_across,
    (
      epoch_us(t.start_time) - epoch_us(
        max(t.end_time) OVER (
          PARTITION BY t.observer, t.flow_log_id ORDER BY t.start_time, t.end_time
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
      )
    ) // 1000000 AS gap_s
  FROM timed AS t
),
windows AS (
  SELECT
    observer,
    flow_log_id,
    max(interval_s) AS interval_s,
    count(DISTINCT bin) FILTER (log_status IS NULL AND NOT is_skipped) AS windows_seen,
    count(DISTINCT start_time) FILTER (log_status = 'NODATA') AS windows_silent,
    count(DISTINCT start_time) FILTER (log_status = 'SKIPDATA') AS windows_skipped,
    CAST(
      coalesce(sum(gap_s // interval_s - 1) FILTER (gap_s >= 2 * interval_s), 0) AS BIGINT
    ) AS windows_between,
    max(own_interval_s) AS own_interval_s,
    CAST(
      coalesce(
        sum(gap_s // own_interval_s * own_interval_s) FILTER (gap_s >= own_interval_s), 0
      ) AS BIGINT
    ) AS holes_s,
    CAST(sum(longest_s) AS BIGINT) AS longest_s,
    bool_or(is_across) AS off_clock,
    min(start_time) AS first_heard,
    max(end_time) AS last_heard
  FROM gaps
  GROUP BY observer, flow_log_id
),
observers AS (
  SELECT
    observer,
    max(interval_s) AS interval_s,
    CAST(sum(windows_seen) AS BIGINT) AS windows_seen,
    CAST(sum(windows_silent) AS BIGINT) AS windows_silent,
    CAST(sum(windows_skipped) AS BIGINT) AS windows_skipped,
    CAST(sum(windows_between) AS BIGINT) AS windows_between,
    min(first_heard) AS first_heard,
    max(last_heard) AS last_heard,
    list(
      {
        flow_log_id: flow_log_id, interval_s: interval_s, windows_seen: windows_seen,
        windows_silent: windows_silent, windows_skipped: windows_skipped,
        windows_between: windows_between, own_interval_s: own_interval_s, holes_s: holes_s,
        longest_s: longest_s, off_clock: off_clock, first_heard: first_heard,
        last_heard: last_heard
      } ORDER BY flow_log_id
    ) AS flow_logs
  FROM windows
  GROUP BY observer
),
silences AS (
  SELECT
    observer,
    min(account_id) AS account_id, min(vpc_id) AS vpc_id, min(subnet_id) AS subnet_id
  FROM silent
  GROUP BY observer
),
records AS (
  SELECT
    observer,
    min(account_id) AS account_id, min(vpc_id) AS vpc_id, min(subnet_id) AS subnet_id,
    sum(records) AS records,
    sum(undecided) AS undecided,
    sum(unsettled) AS unsettled,
    sum(unmatched) AS unmatched,
    sum(unattributed) AS unattributed,
    sum(sides) AS sides,
    sum(sides_attributed) AS sides_attributed,
    max(
      epoch(
        try_strptime(
          regexp_extract(source_object, '_fl-[0-9a-z]+_([0-9]{8}T[0-9]{4})Z_', 1), '%Y%m%dT%H%M'
        )
      ) - epoch(first_end)
    ) AS worst_lag_s
  FROM heard
  GROUP BY observer
)
SELECT
  CAST($hour AS DATE) AS day,
  $hour AS hour,
  w.observer,
  coalesce(r.account_id, s.account_id) AS account_id,
  coalesce(r.vpc_id, s.vpc_id) AS vpc_id,
  coalesce(r.subnet_id, s.subnet_id) AS subnet_id,
  w.interval_s,
  w.windows_seen + w.windows_silent + w.windows_skipped + w.windows_between AS windows_expected,
  w.windows_seen,
  w.windows_silent,
  w.windows_skipped,
  CAST(coalesce(r.records, 0) AS BIGINT) AS records,
  CAST(coalesce(r.undecided, 0) AS BIGINT) AS undecided,
  CAST(coalesce(r.unsettled, 0) AS BIGINT) AS unsettled,
  CAST(coalesce(r.unmatched, 0) AS BIGINT) AS unmatched,
  CAST(coalesce(r.unattributed, 0) AS BIGINT) AS unattributed,
  CAST(coalesce(r.sides, 0) AS BIGINT) AS sides,
  CAST(coalesce(r.sides_attributed, 0) AS BIGINT) AS sides_attributed,
  CAST(r.worst_lag_s AS BIGINT) AS worst_lag_s,
  w.windows_between,
  w.first_heard,
  w.last_heard,
  CAST(to_json(w.flow_logs) AS VARCHAR) AS flow_logs
FROM observers AS w
LEFT JOIN records AS r ON r.observer IS NOT DISTINCT FROM w.observer
LEFT JOIN silences AS s ON s.observer IS NOT DISTINCT FROM w.observer
