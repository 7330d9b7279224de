-- Say where AWS skipped records (SKIPDATA): by interface and hour or day, beside what arrived.
--
-- Params:  $since timestamptz = 24h, $until timestamptz = now,
--          $per varchar in hour|day = hour 'What a row is of.',
--          $account varchar[]? 'Of these accounts.', $vpc varchar[]? 'Of these VPCs.',
--          $eni varchar[]? 'Of these interfaces.'
-- Returns: period timestamptz, observer varchar, account_id varchar, vpc_id varchar,
--          skipped bigint, no_data bigint, records bigint, windows_expected bigint, share double,
--          first_seen timestamptz, last_seen timestamptz
-- Order:   skipped desc, period asc, observer asc, account_id asc, vpc_id asc
-- Reads:   silences, coverage_hourly
-- Note:    Only interfaces with SKIPDATA; an interval belongs to the period in which it began. Skipped
--          and no_data are records with these statuses, records those with status OK, counted or not;
--          share is skipped intervals of those expected. How much was in a skipped interval nobody
--          knows: all sums of that time are too low. Transit gateways' attachments have no share.
WITH told AS (
  SELECT
    CASE $per WHEN 'day' THEN date_trunc('day', start_time) ELSE date_trunc('hour', start_time) END AS period,
    observer, account_id, vpc_id,
    CASE WHEN log_status = 'SKIPDATA' THEN 1 ELSE 0 END AS skipped,
    CASE WHEN log_status = 'NODATA' THEN 1 ELSE 0 END AS no_data,
    0 AS records,
    0 AS windows_skipped,
    0 AS windows_expected,
    CASE WHEN log_status = 'SKIPDATA' THEN start_time END AS skipped_from,
    CASE WHEN log_status = 'SKIPDATA' THEN end_time END AS skipped_until
  FROM silences
  WHERE start_time >= $since AND start_time < $until
  UNION ALL
  SELECT
    CASE $per WHEN 'day' THEN date_trunc('day', hour) ELSE hour END AS period,
    observer, account_id, vpc_id,
    0 AS skipped,
    0 AS no_data,
    records, windows_skipped, windows_expected,
    NULL AS skipped_from,
    NULL AS skipped_until
  FROM coverage_hourly
  WHERE hour >= date_trunc('hour', CAST($since AS TIMESTAMPTZ)) AND hour < $until
)
SELECT
  period, observer,
  max(account_id) AS account_id,
  max(vpc_id) AS vpc_id,
  CAST(sum(skipped) AS BIGINT) AS skipped,
  CAST(sum(no_data) AS BIGINT) AS no_data,
  CAST(coalesce(sum(records), 0) AS BIGINT) AS records,
  CAST(coalesce(sum(windows_expected), 0) AS BIGINT) AS windows_expected,
  round(CAST(sum(windows_skipped) AS DOUBLE) / nullif(sum(windows_expected), 0), 4) AS share,
  min(skipped_from) AS first_seen,
  max(skipped_until) AS last_seen
FROM told
WHERE ($eni IS NULL OR observer IN $eni)
GROUP BY period, observer
HAVING sum(skipped) > 0
  AND ($account IS NULL OR max(account_id) IN $account)
  AND ($vpc IS NULL OR max(vpc_id) IN $vpc)
