-- What could not be read, by reason.
SELECT reason, count(*) AS rows FROM quarantine GROUP BY reason ORDER BY rows DESC, reason
