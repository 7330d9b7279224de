-- Compare two times: who talks much more or less to whom than before, who began, who stopped.
--
-- Params:  $baseline span = 7d,
--          $metric varchar in bytes|records|connections|packets = bytes 'What is compared.',
--          $factor integer = 2 'By how many times it must have grown or shrunk.'
-- Returns: client varchar, server varchar, service_port integer, many_ports boolean, protocol integer,
--          verdict varchar, change varchar, ratio double, difference double, before double, now double,
--          records_before double, records_now bigint, last_seen timestamptz
-- Order:   difference desc, client asc, server asc, service_port asc, many_ports asc, protocol asc,
--          verdict asc
-- Reads:   pairs, coverage_hourly
-- Rolled:  edges
-- Note:    Before is the baseline's sum, scaled to as much time as the window has of hours in which the
--          lake heard of an interface: a baseline that it holds in part is not taken for a quiet one.
--          Difference is how much it changed by, either way. Where nothing at all was heard of one of
--          the two, nothing is said to have appeared or vanished.
WITH heard AS (
  SELECT DISTINCT hour
  FROM coverage_hourly
  WHERE windows_seen + coalesce(windows_silent, 0) > 0
    AND hour + INTERVAL 1 HOUR > $from
    AND hour < $until
),
lengths AS (
  SELECT
    count(*) = 0 AS is_unknown,
    sum(greatest(0, date_diff('second', greatest(hour, $from), least(hour + INTERVAL 1 HOUR, $since)))) AS before_s,
    sum(greatest(0, date_diff('second', greatest(hour, $since), least(hour + INTERVAL 1 HOUR, $until)))) AS now_s
  FROM heard
),
scaled AS (
  SELECT
    is_unknown OR before_s > 0 AS knows_before,
    is_unknown OR now_s > 0 AS knows_now,
    CASE
      WHEN before_s > 0 AND now_s > 0 THEN CAST(now_s AS DOUBLE) / before_s
      ELSE CAST(date_diff('second', $since, $until) AS DOUBLE) / greatest(date_diff('second', $from, $since), 1)
    END AS scale
  FROM lengths
),
measured AS (
  SELECT
    *,
    bool_or(many_ports) OVER (PARTITION BY client, server, verdict) AS swept,
    CASE $metric
      WHEN 'bytes' THEN bytes_to_server + bytes_to_client
      WHEN 'records' THEN records
      WHEN 'connections' THEN connections
      ELSE packets_to_server + packets_to_client
    END AS amount
  FROM pairs
),
summed AS (
  SELECT
    client, server,
    CASE WHEN NOT swept THEN service_port END AS service_port,
    swept AND (many_ports OR service_port IS NOT NULL) AS many_ports,
    protocol, verdict,
    sum(CASE WHEN in_window THEN 0 ELSE amount END) AS amount_before,
    sum(CASE WHEN in_window THEN amount ELSE 0 END) AS amount_now,
    sum(CASE WHEN in_window THEN 0 ELSE records END) AS records_before,
    sum(CASE WHEN in_window THEN records ELSE 0 END) AS records_now,
    max(last_seen) AS last_seen
  FROM measured
  GROUP BY
    client, server, CASE WHEN NOT swept THEN service_port END,
    swept AND (many_ports OR service_port IS NOT NULL), protocol, verdict
),
compared AS (
  SELECT
    e.*,
    s.scale,
    CASE
      WHEN e.records_before = 0 THEN CASE WHEN s.knows_before THEN 'appeared' END
      WHEN e.records_now = 0 THEN CASE WHEN s.knows_now THEN 'vanished' END
      WHEN e.amount_now >= e.amount_before * s.scale * $factor AND e.amount_now > 0 THEN 'grown'
      WHEN e.amount_now * $factor <= e.amount_before * s.scale THEN 'shrunk'
    END AS change
  FROM summed AS e
  CROSS JOIN scaled AS s
)
SELECT
  client, server, service_port, many_ports, protocol, verdict, change,
  round(amount_now / nullif(amount_before * scale, 0), 2) AS ratio,
  round(abs(amount_now - amount_before * scale), 1) AS difference,
  round(amount_before * scale, 1) AS before,
  CAST(amount_now AS DOUBLE) AS now,
  round(records_before * scale, 1) AS records_before,
  CAST(records_now AS BIGINT) AS records_now,
  last_seen
FROM compared
WHERE change IS NOT NULL
