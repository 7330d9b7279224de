-- Show how much there was when: traffic by minute, hour or day, with what was refused of it.
--
-- Returns: begins timestamptz, key varchar, heard boolean, completeness double, records bigint,
--          connections bigint, packets bigint, bytes bigint, accepted bigint, rejected bigint,
--          unconfirmed bigint
-- Order:   begins asc, key asc
-- Reads:   series, coverage_hourly
-- Rolled:  edges
-- Limit:   10000
-- Note:    A step is 0 where interfaces were heard of and nothing went on; where none was heard of
--          (`heard` is false) it is null: nobody knows. Completeness is the share of expected
--          intervals that arrived, of a step under an hour that of its hour. A record counts whole
--          in the step in which it starts. By hour and day roll-ups answer.
SELECT
  begins, key, heard, completeness,
  CAST(records AS BIGINT) AS records,
  CAST(connections AS BIGINT) AS connections,
  CAST(packets AS BIGINT) AS packets,
  CAST(bytes AS BIGINT) AS bytes,
  CAST(accepted AS BIGINT) AS accepted,
  CAST(rejected AS BIGINT) AS rejected,
  CAST(unconfirmed AS BIGINT) AS unconfirmed
FROM series
