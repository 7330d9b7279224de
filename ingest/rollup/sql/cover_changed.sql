-- Hours of which the roll-up now has other rows than before.
WITH now AS (
  SELECT observer, hour, windows_expected FROM spread
),
before AS (
  SELECT observer, hour, windows_expected FROM was
)
SELECT DISTINCT hour
FROM (
  (SELECT * FROM now EXCEPT SELECT * FROM before)
  UNION ALL
  (SELECT * FROM before EXCEPT SELECT * FROM now)
)
