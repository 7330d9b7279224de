-- Take rows of other hours; those of hours in which nothing was heard are found anew. Rows
-- of before flow logs were told apart have one.
INSERT INTO was BY NAME
SELECT * FROM given_rows;

INSERT INTO covered BY NAME
SELECT * REPLACE (
  windows_seen + windows_silent + windows_skipped + coalesce(windows_between, 0)
  AS windows_expected,
  coalesce(
    flow_logs,
    CAST(
      to_json(
        [{interval_s: interval_s, first_heard: first_heard, last_heard: last_heard}]
      ) AS VARCHAR
    )
  ) AS flow_logs
)
FROM given_rows
WHERE windows_seen + windows_silent + windows_skipped > 0
