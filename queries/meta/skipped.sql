-- Intervals in which AWS skipped records, over the window.
SELECT count(*) AS skipped
FROM silences
WHERE log_status = 'SKIPDATA' AND start_time >= $since AND start_time < $until
