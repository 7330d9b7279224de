-- Say how much of what should have been logged arrived: intervals expected, heard of, missing and skipped.
--
-- Params:  $since timestamptz = 24h, $until timestamptz = now,
--          $by varchar in account|vpc|subnet|observer = account 'What a row stands for.',
--          $hourly boolean = false 'A row for each hour too.',
--          $account varchar[]? 'Of these accounts.', $vpc varchar[]? 'Of these VPCs.',
--          $subnet varchar[]? 'Of these subnets.', $eni varchar[]? 'Recorded by these interfaces.'
-- Returns: key varchar, hour timestamptz, observers bigint, windows_expected bigint, windows_seen bigint,
--          windows_silent bigint, windows_skipped bigint, windows_missing bigint, share double,
--          worst_lag_s bigint, last_heard timestamptz
-- Order:   share asc, windows_missing desc, key asc, hour asc
-- Reads:   coverage_hourly
-- Note:    Worst first. A window is one aggregation interval of one flow log of an interface; expected
--          are those heard of and those missing in between. Silent is without traffic (NODATA), skipped
--          is lost by AWS (SKIPDATA). Share is what was heard of, with records or silent, of what was
--          expected; an interface that never told anything is not expected (see `flowlake doctor`).
--          Lag is that of objects by their names. Whole hours, as they are rolled up.
WITH heard AS (
  SELECT
    *,
    CASE $by
      WHEN 'account' THEN account_id
      WHEN 'vpc' THEN vpc_id
      WHEN 'subnet' THEN subnet_id
      ELSE observer
    END AS key,
    CASE WHEN $hourly THEN hour END AS shown_hour,
    least(windows_seen + coalesce(windows_silent, 0), windows_expected) AS windows_heard
  FROM coverage_hourly
  WHERE hour >= date_trunc('hour', CAST($since AS TIMESTAMPTZ)) AND hour < $until
    AND ($account IS NULL OR account_id IN $account)
    AND ($vpc IS NULL OR vpc_id IN $vpc)
    AND ($subnet IS NULL OR subnet_id IN $subnet)
    AND ($eni IS NULL OR observer IN $eni)
)
SELECT
  key,
  shown_hour AS hour,
  CAST(count(DISTINCT observer) AS BIGINT) AS observers,
  CAST(sum(windows_expected) AS BIGINT) AS windows_expected,
  CAST(sum(windows_seen) AS BIGINT) AS windows_seen,
  CAST(coalesce(sum(windows_silent), 0) AS BIGINT) AS windows_silent,
  CAST(coalesce(sum(windows_skipped), 0) AS BIGINT) AS windows_skipped,
  CAST(sum(windows_expected - windows_heard) AS BIGINT) AS windows_missing,
  round(CAST(sum(windows_heard) AS DOUBLE) / nullif(sum(windows_expected), 0), 4) AS share,
  max(worst_lag_s) AS worst_lag_s,
  max(last_heard) AS last_heard
FROM heard
GROUP BY key, shown_hour
