-- In how many of the window's hours anything was heard.
SELECT count(DISTINCT hour) AS hours
FROM coverage_hourly
WHERE hour >= date_trunc('hour', $since) AND hour < $until
  AND windows_seen + coalesce(windows_silent, 0) > 0
