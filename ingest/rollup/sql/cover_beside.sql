-- Take rows of other hours; those of hours in which nothing was heard are found anew.
INSERT INTO was BY NAME
SELECT * FROM given_rows;

INSERT INTO covered BY NAME
SELECT
  * REPLACE (windows_seen + windows_silent + coalesce(windows_between, windows_expected - windows_seen - windows_silent) AS windows_expected)
FROM given_rows
WHERE windows_seen + windows_silent + windows_skipped > 0
