-- How `rejections_hourly` keeps the internet's addresses in the window.
SELECT DISTINCT
  CASE
    WHEN starts_with(source_address, 'h:') THEN 'hashed'
    WHEN contains(source_address, '/') THEN 'cut'
    ELSE 'full'
  END AS kept
FROM rejections_hourly
WHERE source_kind IN ('internet', 'aws_service') AND source_address IS NOT NULL
  AND hour >= $from AND hour < $until
ORDER BY kept
