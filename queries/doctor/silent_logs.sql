-- Flow logs that are there and hold an interface in use, of which nothing came for hours
-- though of others something did. One that has nothing to tell says so every few minutes.
--
-- Of one that was never heard that is said only where no other that was heard holds the
-- same, and from when it, the interface and records of others were all there.
WITH idle AS (
  SELECT resource_id
  FROM configurations
  WHERE day IS NULL
    AND CASE resource_type
      WHEN 'network_interface' THEN json_extract_string(document, '$.Status') = 'available'
      WHEN 'instance' THEN json_extract_string(document, '$.State.Name') <> 'running'
    END
),
used AS (
  SELECT eni, subnet, vpc, min(valid_from) AS since
  FROM identities
  WHERE source = 'aws' AND day IS NULL AND eni IS NOT NULL
    AND eni NOT IN (SELECT resource_id FROM idle)
    AND coalesce(instance, '') NOT IN (SELECT resource_id FROM idle)
  GROUP BY eni, subnet, vpc
),
reach AS (
  SELECT min(first_start) AS since, max(greatest(key_time, last_end)) AS through
  FROM sources
  WHERE head = 'flows'
),
held AS (
  SELECT
    l.flow_log_id, l.account, l.destination, l.is_heard, l.through, u.eni,
    least(l.last_seen, r.through) AS until,
    greatest(l.created, u.since, r.since) AS since,
    bool_or(l.is_heard) OVER (PARTITION BY u.eni, a.action) AS is_told
  FROM logs AS l
  JOIN used AS u ON l.resource_id IN (u.eni, u.subnet, u.vpc)
  JOIN (SELECT unnest(['ACCEPT', 'REJECT']) AS action) AS a ON l.traffic IN ('ALL', a.action)
  CROSS JOIN reach AS r
  WHERE l.tells AND NOT l.is_failed
)
SELECT
  flow_log_id,
  account,
  regexp_replace(destination, '^arn:[^:]*:s3:::', 's3://') AS destination,
  through,
  min(since) AS since,
  count(DISTINCT eni) AS places,
  min(eni) AS example
FROM held
WHERE CASE
  WHEN is_heard THEN through + to_hours($quiet_h) < until
  WHEN NOT is_told THEN since + to_hours($late_h) < until
END
GROUP BY flow_log_id, account, destination, through
ORDER BY flow_log_id ASC
