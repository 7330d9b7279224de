-- Show when how much was refused, by cause: each hour, or another step, of the window.
--
-- Params:  $split varchar in none|client|server|port|cause = cause 'A row of each step for each of these: clients and servers are called by $by and $server_by.',
--          $top integer = 10 'How many of those that it is split by stand for themselves: those with the most records. The rest are one, `all others`.'
-- Returns: begins timestamptz, key varchar, heard boolean, completeness double, records bigint,
--          connections bigint, packets bigint, clients bigint, servers bigint
-- Order:   begins asc, key asc
-- Reads:   series, coverage_hourly
-- Fixed:   $verdict = rejected
-- Rolled:  edges
-- Limit:   10000
-- Note:    A step is 0 where interfaces were heard of and nothing was refused; where none was heard
--          of (`heard` is false) it is null: nobody knows. Clients and servers are counted by what
--          they are called. By hour and day roll-ups answer.
SELECT
  begins, key, heard, completeness,
  CAST(records AS BIGINT) AS records,
  CAST(connections AS BIGINT) AS connections,
  CAST(packets AS BIGINT) AS packets,
  CAST(clients AS BIGINT) AS clients,
  CAST(servers AS BIGINT) AS servers
FROM series
