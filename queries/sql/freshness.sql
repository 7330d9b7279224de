-- Say how fresh each flow log is: its newest record and object, and how late its objects were read.
--
-- Params:  $since timestamptz = 24h, $until timestamptz = now,
--          $account varchar[]? 'Of these accounts.', $region varchar[]? 'Of these Regions.'
-- Returns: account_id varchar, region varchar, flow_log_id varchar, head varchar,
--          newest_record timestamptz, newest_object timestamptz, objects bigint, records bigint,
--          lag_p50_s bigint, lag_p95_s bigint, lag_max_s bigint
-- Order:   newest_object asc, account_id asc, region asc, flow_log_id asc, head asc
-- Key:     account_id, region, flow_log_id, head
-- Reads:   sources
-- Note:    The stalest first: newest is of all time before the window's end, so that a flow log which
--          has stopped stays in sight with no objects. Objects, records and lag are of the window, by an
--          object's own time: that in its name, else the end of its last record, else when it was read.
--          Lag is from the end of an object's last record to when it was read. Account and flow log are
--          known from names that AWS gives; head is the table that the records went to.
WITH objects AS (
  SELECT
    account_id, region, flow_log_id, head, last_end, flows, ingested_at,
    coalesce(key_time, last_end, ingested_at) AS object_time,
    date_diff('second', last_end, ingested_at) AS lag_s
  FROM sources
  WHERE ($account IS NULL OR account_id IN $account) AND ($region IS NULL OR region IN $region)
),
ranked AS (
  SELECT
    *,
    object_time >= $since AS in_window,
    row_number() OVER (
      PARTITION BY account_id, region, flow_log_id, head, object_time >= $since, lag_s IS NULL
      ORDER BY lag_s
    ) AS nth,
    count(*) OVER (
      PARTITION BY account_id, region, flow_log_id, head, object_time >= $since, lag_s IS NULL
    ) AS of_all
  FROM objects
  WHERE object_time < $until
)
SELECT
  account_id, region, flow_log_id, head,
  max(last_end) AS newest_record,
  max(object_time) AS newest_object,
  CAST(count(*) FILTER (WHERE in_window) AS BIGINT) AS objects,
  CAST(coalesce(sum(flows) FILTER (WHERE in_window), 0) AS BIGINT) AS records,
  CAST(min(lag_s) FILTER (WHERE in_window AND 100 * nth >= 50 * of_all) AS BIGINT) AS lag_p50_s,
  CAST(min(lag_s) FILTER (WHERE in_window AND 100 * nth >= 95 * of_all) AS BIGINT) AS lag_p95_s,
  CAST(max(lag_s) FILTER (WHERE in_window) AS BIGINT) AS lag_max_s
FROM ranked
GROUP BY account_id, region, flow_log_id, head
