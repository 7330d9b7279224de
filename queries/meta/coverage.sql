-- How complete each hour is, how far it is settled and attributed.
SELECT
  hour,
  bool_or(windows_seen + coalesce(windows_silent, 0) > 0) AS is_heard,
  CAST(sum(windows_expected) AS BIGINT) AS expected,
  CAST(sum(least(windows_seen + coalesce(windows_silent, 0), windows_expected)) AS BIGINT) AS heard,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(undecided) AS BIGINT) AS undecided,
  CAST(sum(unsettled) AS BIGINT) AS unsettled,
  CAST(sum(unmatched) AS BIGINT) AS unmatched,
  CAST(sum(sides) AS BIGINT) AS sides,
  CAST(sum(sides_attributed) AS BIGINT) AS attributed,
  CAST(sum(windows_skipped) AS BIGINT) AS skipped
FROM coverage_hourly
GROUP BY hour
