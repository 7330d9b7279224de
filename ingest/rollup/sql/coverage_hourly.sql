-- What each observer told of the hour; see cover.sql for what is missing at its begin and
-- its end. A window is surely missing where nothing was heard
-- for longer than two: records of one window may lie at its very begin, of the next at its
-- very end. So nothing that came is ever said to be missing.
WITH told AS (
  SELECT
    observer, flow_log_id, minute, first_start AS start_time, last_end AS end_time, longest_s
  FROM heard
  UNION ALL
  SELECT
    observer, flow_log_id, NULL AS minute, start_time, end_time,
    (epoch_us(end_time) - epoch_us(start_time)) // 1000000 AS longest_s
  FROM silent
),
logs AS (
  SELECT coalesce(flow_log_id, observer) AS log, max(longest_s) > $short_s AS is_long
  FROM told
  GROUP BY coalesce(flow_log_id, observer)
),
intervals AS (
  SELECT t.observer, CASE WHEN bool_or(l.is_long) THEN 600 ELSE 60 END AS interval_s
  FROM told AS t
  JOIN logs AS l ON l.log = coalesce(t.flow_log_id, t.observer)
  GROUP BY t.observer
),
gaps AS (
  SELECT
    t.observer,
    t.start_time,
    t.end_time,
    t.minute * 60 // i.interval_s AS bin,
    i.interval_s,
    (
      epoch_us(t.start_time) - epoch_us(
        max(t.end_time) OVER (
          PARTITION BY t.observer ORDER BY t.start_time, t.end_time
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
      )
    ) // (1000000 * i.interval_s) - 1 AS missing
  FROM told AS t
  JOIN intervals AS i ON i.observer IS NOT DISTINCT FROM t.observer
),
windows AS (
  SELECT
    observer,
    max(interval_s) AS interval_s,
    count(DISTINCT bin) AS seen,
    min(start_time) AS first_heard,
    max(end_time) AS last_heard,
    CAST(coalesce(sum(missing) FILTER (missing > 0), 0) AS BIGINT) AS missing
  FROM gaps
  GROUP BY observer
),
silences AS (
  SELECT
    observer,
    min(account_id) AS account_id, min(vpc_id) AS vpc_id, min(subnet_id) AS subnet_id,
    count(DISTINCT start_time) FILTER (log_status = 'NODATA') AS nodata,
    count(DISTINCT start_time) FILTER (log_status = 'SKIPDATA') AS skipdata
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
  w.seen + coalesce(s.nodata, 0) + w.missing AS windows_expected,
  w.seen AS windows_seen,
  coalesce(s.nodata, 0) AS windows_silent,
  coalesce(s.skipdata, 0) AS windows_skipped,
  CAST(coalesce(r.records, 0) AS BIGINT) AS records,
  CAST(coalesce(r.undecided, 0) AS BIGINT) AS undecided,
  CAST(coalesce(r.unsettled, 0) AS BIGINT) AS unsettled,
  CAST(coalesce(r.unmatched, 0) AS BIGINT) AS unmatched,
  CAST(coalesce(r.unattributed, 0) AS BIGINT) AS unattributed,
  CAST(coalesce(r.sides, 0) AS BIGINT) AS sides,
  CAST(coalesce(r.sides_attributed, 0) AS BIGINT) AS sides_attributed,
  CAST(r.worst_lag_s AS BIGINT) AS worst_lag_s,
  w.missing AS windows_between,
  w.first_heard,
  w.last_heard
FROM windows AS w
LEFT JOIN records AS r ON r.observer IS NOT DISTINCT FROM w.observer
LEFT JOIN silences AS s ON s.observer IS NOT DISTINCT FROM w.observer
