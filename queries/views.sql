-- The tables as views over exactly the planned files, by field id: old and new files
-- together, whatever columns each has. The variables are the session's own.
CREATE OR REPLACE TEMP VIEW flows AS
SELECT *, CAST(start_time AS DATE) AS day
FROM read_parquet(getvariable('flows_files'), schema = getvariable('flows_schema'));

CREATE OR REPLACE TEMP VIEW tgw_flows AS
SELECT *, CAST(start_time AS DATE) AS day
FROM read_parquet(getvariable('tgw_flows_files'), schema = getvariable('tgw_flows_schema'));

CREATE OR REPLACE TEMP VIEW sources AS
SELECT *
FROM read_parquet(getvariable('sources_files'), schema = getvariable('sources_schema'));

CREATE OR REPLACE TEMP VIEW silences AS
SELECT *
FROM read_parquet(getvariable('silences_files'), schema = getvariable('silences_schema'));

CREATE OR REPLACE TEMP VIEW quarantine AS
SELECT *
FROM read_parquet(getvariable('quarantine_files'), schema = getvariable('quarantine_schema'));

CREATE OR REPLACE TEMP VIEW identities AS
SELECT *
FROM read_parquet(getvariable('identities_files'), schema = getvariable('identities_schema'));

CREATE OR REPLACE TEMP VIEW configurations AS
SELECT *
FROM read_parquet(getvariable('configurations_files'), schema = getvariable('configurations_schema'));

CREATE OR REPLACE TEMP VIEW edges_hourly AS
SELECT *
FROM read_parquet(getvariable('edges_hourly_files'), schema = getvariable('edges_hourly_schema'));

CREATE OR REPLACE TEMP VIEW edges_daily AS
SELECT *
FROM read_parquet(getvariable('edges_daily_files'), schema = getvariable('edges_daily_schema'));

CREATE OR REPLACE TEMP VIEW endpoints_hourly AS
SELECT *
FROM read_parquet(getvariable('endpoints_hourly_files'), schema = getvariable('endpoints_hourly_schema'));

CREATE OR REPLACE TEMP VIEW rejections_hourly AS
SELECT *
FROM read_parquet(getvariable('rejections_hourly_files'), schema = getvariable('rejections_hourly_schema'));

CREATE OR REPLACE TEMP VIEW coverage_hourly AS
SELECT *
FROM read_parquet(getvariable('coverage_hourly_files'), schema = getvariable('coverage_hourly_schema'));
