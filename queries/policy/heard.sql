-- Which of some interfaces were heard of in a window, by its whole hours.
SELECT DISTINCT observer
FROM coverage_hourly SEMI JOIN (SELECT unnest($interfaces) AS observer) USING (observer)
WHERE hour >= date_trunc('hour', CAST($since AS TIMESTAMPTZ)) AND hour < $until
  AND windows_seen + coalesce(windows_silent, 0) > 0
