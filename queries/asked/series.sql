-- What was asked about, added up by time: a row for each step of the window, and for each
-- of those that it is split by.
--
-- Params:  $step varchar in minute|five_minutes|hour|day = hour 'How long a step is; they begin by the clock, UTC.',
--          $split varchar in none|client|server|port|cause|verdict = none 'A row of each step for each of these: clients and servers are called by $by and $server_by.',
--          $top integer = 5 'How many of those that it is split by stand for themselves: those with the most records. The rest are one, `all others`.'
-- Reads:   coverage_hourly
-- Note:    A step in which the lake heard of an interface has sums, 0 where nothing was asked
--          about; one of which nothing is known is one row without any. What is heard is narrowed by the
--          filters account, vpc, subnet and eni alone.
WITH clock AS (
  SELECT
    CASE WHEN $step = 'day' THEN date_trunc('day', $since) ELSE date_trunc('hour', $since) END AS origin,
    CASE $step WHEN 'minute' THEN 60 WHEN 'five_minutes' THEN 300 WHEN 'hour' THEN 3600 ELSE 86400 END AS step_s
),
keyed AS (
  SELECT
    a.*,
    date_diff('second', c.origin, a.start_time) // c.step_s AS step,
    CASE $split
      WHEN 'client' THEN a.client
      WHEN 'server' THEN a.server
      WHEN 'port' THEN CAST(a.service_port AS VARCHAR)
      WHEN 'cause' THEN a.reject_cause
      WHEN 'verdict' THEN a.verdict
    END AS one_key
  FROM asked AS a
  CROSS JOIN clock AS c
),
busiest AS (
  SELECT one_key, row_number() OVER (ORDER BY sum(records) DESC, one_key ASC NULLS LAST) AS nth
  FROM keyed
  GROUP BY one_key
),
named AS (
  SELECT one_key, CASE WHEN nth <= $top OR $split = 'none' THEN one_key ELSE 'all others' END AS shown_key
  FROM busiest
),
shown AS (
  SELECT DISTINCT shown_key
  FROM named
  UNION ALL
  SELECT CAST(NULL AS VARCHAR) AS shown_key
  FROM (SELECT count(*) AS keys FROM named) AS counted
  WHERE keys = 0
),
summed AS (
  SELECT
    k.step,
    n.shown_key,
    sum(k.records) AS records,
    sum(k.connections) AS connections,
    sum(k.packets) AS packets,
    sum(k.bytes) AS bytes,
    sum(CASE WHEN k.verdict = 'accepted' THEN k.records ELSE 0 END) AS accepted,
    sum(CASE WHEN k.verdict = 'rejected' THEN k.records ELSE 0 END) AS rejected,
    sum(CASE WHEN k.verdict = 'unconfirmed' THEN k.records ELSE 0 END) AS unconfirmed,
    count(DISTINCT k.client) AS clients,
    count(DISTINCT k.server) AS servers
  FROM keyed AS k
  JOIN named AS n ON n.one_key IS NOT DISTINCT FROM k.one_key
  GROUP BY k.step, n.shown_key
),
coverage AS (
  SELECT
    CASE WHEN $step = 'day' THEN date_trunc('day', hour) ELSE hour END AS begins,
    min(first_heard) AS first_heard,
    max(last_heard) AS last_heard,
    sum(windows_expected) AS expected,
    sum(least(windows_seen + coalesce(windows_silent, 0), windows_expected)) AS told
  FROM coverage_hourly
  WHERE hour >= date_trunc('hour', $since)
    AND hour < $until
    AND ($account IS NULL OR account_id IN $account)
    AND ($vpc IS NULL OR vpc_id IN $vpc)
    AND ($subnet IS NULL OR subnet_id IN $subnet)
    AND ($eni IS NULL OR observer IN $eni)
  GROUP BY CASE WHEN $step = 'day' THEN date_trunc('day', hour) ELSE hour END
),
seen AS (
  SELECT DISTINCT date_diff('second', c.origin, a.start_time) // c.step_s AS step
  FROM called AS a
  CROSS JOIN clock AS c
  WHERE $step IN ('minute', 'five_minutes')
  UNION
  SELECT step
  FROM summed
),
steps AS (
  SELECT
    n.step,
    c.origin + n.step * c.step_s * INTERVAL 1 SECOND AS begins,
    c.origin + (n.step + 1) * c.step_s * INTERVAL 1 SECOND AS ends
  FROM clock AS c
  CROSS JOIN UNNEST(generate_series(0, date_diff('second', c.origin, $until) // c.step_s)) AS n (step)
),
judged AS (
  SELECT
    t.step,
    t.begins,
    round(CAST(h.told AS DOUBLE) / nullif(h.expected, 0), 4) AS completeness,
    s.step IS NOT NULL
    OR coalesce(
      h.first_heard < t.ends
      AND h.last_heard >= t.begins
      AND ($step IN ('hour', 'day') OR h.told >= h.expected),
      FALSE
    ) AS heard
  FROM steps AS t
  LEFT JOIN coverage AS h
    ON h.begins = CASE WHEN $step = 'day' THEN t.begins ELSE date_trunc('hour', t.begins) END
  LEFT JOIN seen AS s ON s.step = t.step
  WHERE t.ends > $since AND t.begins < $until
),
placed AS (
  SELECT j.step, j.begins, j.heard, j.completeness, k.shown_key
  FROM judged AS j
  CROSS JOIN shown AS k
  WHERE j.heard
  UNION ALL
  SELECT step, begins, heard, completeness, CAST(NULL AS VARCHAR) AS shown_key
  FROM judged
  WHERE NOT heard
)
SELECT
  p.begins,
  p.shown_key AS key,
  p.heard,
  p.completeness,
  CASE WHEN p.heard THEN coalesce(s.records, 0) END AS records,
  CASE WHEN p.heard THEN coalesce(s.connections, 0) END AS connections,
  CASE WHEN p.heard THEN coalesce(s.packets, 0) END AS packets,
  CASE WHEN p.heard THEN coalesce(s.bytes, 0) END AS bytes,
  CASE WHEN p.heard THEN coalesce(s.accepted, 0) END AS accepted,
  CASE WHEN p.heard THEN coalesce(s.rejected, 0) END AS rejected,
  CASE WHEN p.heard THEN coalesce(s.unconfirmed, 0) END AS unconfirmed,
  CASE WHEN p.heard THEN coalesce(s.clients, 0) END AS clients,
  CASE WHEN p.heard THEN coalesce(s.servers, 0) END AS servers
FROM placed AS p
LEFT JOIN summed AS s
  ON s.step = p.step AND s.shown_key IS NOT DISTINCT FROM p.shown_key
