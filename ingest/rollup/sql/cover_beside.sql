-- Take rows of other hours; those of hours in which nothing was heard are found anew. Rows
-- of before flow logs were told apart have but one.
INSERT INTO was BY NAME
SELECT * FROM given_rows;

INSERT INTO covered BY NAME
SELECT * REPLACE (
  coalesce(
    flow_logs,
    CAST(
      to_json(
        [{
          flow_log_id: NULL, interval_s: interval_s, windows_seen: windows_seen,
          windows_silent: windows_silent, windows_skipped: windows_skipped,
          windows_between: coalesce(windows_between, 0),
          first_heard: first_heard, last_heard: last_heard
        }]
      ) AS VARCHAR
    )
  ) AS flow_logs
)
FROM given_rows
WHERE windows_seen + windows_silent + windows_skipped > 0
