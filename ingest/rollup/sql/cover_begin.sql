-- Hours of coverage: as added up by themselves, and as the roll-up has them; from when
-- until when each flow log was surely there.
CREATE OR REPLACE TEMP MACRO logs_of(flow_logs) AS from_json(
  flow_logs,
  '[{
    "flow_log_id": "VARCHAR", "interval_s": "INTEGER", "first_heard": "TIMESTAMPTZ",
    "last_heard": "TIMESTAMPTZ"
  }]'
);

CREATE OR REPLACE TEMP TABLE covered AS
SELECT * FROM given_none;

CREATE OR REPLACE TEMP TABLE was AS
SELECT * FROM given_none;

CREATE OR REPLACE TEMP TABLE listed AS
SELECT
  resource_id AS flow_log_id,
  min(valid_from) AS listed_from,
  max(coalesce(valid_until, last_seen)) AS listed_until
FROM given_listed
GROUP BY resource_id
