-- List the addresses of the internet that talked with yours: how much, how much of it refused, where they are and whose.
--
-- Returns: address varchar, country varchar, as_number bigint, as_name varchar, aws_service varchar,
--          records bigint, rejected bigint, opened_by_it bigint, bytes_in bigint, bytes_out bigint,
--          ends bigint, ports bigint, first_seen timestamptz, last_seen timestamptz
-- Order:   records desc, bytes_in desc, address asc
-- Reads:   traffic, mmdb
-- Note:    Country and AS are of your own databases (FLOWLAKE_MMDB), null without one. Opened by it:
--          records of conversations that the address began. Bytes in came from it. Ends are what of
--          yours it talked with, called by $by; ports are those of the services. Where both ends are of
--          the internet each has its row.
WITH sides AS (
  SELECT
    client_address AS address,
    client_aws_service AS aws_service,
    server AS other_end,
    TRUE AS is_client,
    bytes_to_server AS bytes_in,
    bytes_to_client AS bytes_out,
    service_port, verdict, records, initiator, first_seen, last_seen
  FROM asked
  WHERE client_kind IN ('internet', 'aws_service')
  UNION ALL
  SELECT
    server_address AS address,
    server_aws_service AS aws_service,
    client AS other_end,
    FALSE AS is_client,
    bytes_to_client AS bytes_in,
    bytes_to_server AS bytes_out,
    service_port, verdict, records, initiator, first_seen, last_seen
  FROM asked
  WHERE server_kind IN ('internet', 'aws_service')
),
summed AS (
  SELECT
    address,
    max(aws_service) AS aws_service,
    sum(records) AS records,
    sum(CASE WHEN verdict = 'rejected' THEN records ELSE 0 END) AS rejected,
    sum(CASE WHEN is_client AND initiator IS NOT NULL THEN records ELSE 0 END) AS opened_by_it,
    sum(bytes_in) AS bytes_in,
    sum(bytes_out) AS bytes_out,
    count(DISTINCT other_end) AS ends,
    count(DISTINCT service_port) AS ports,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
  FROM sides
  GROUP BY address
)
SELECT
  address,
  country_of(address) AS country,
  as_number_of(address) AS as_number,
  as_name_of(address) AS as_name,
  aws_service,
  CAST(records AS BIGINT) AS records,
  CAST(rejected AS BIGINT) AS rejected,
  CAST(opened_by_it AS BIGINT) AS opened_by_it,
  CAST(bytes_in AS BIGINT) AS bytes_in,
  CAST(bytes_out AS BIGINT) AS bytes_out,
  CAST(ends AS BIGINT) AS ends,
  CAST(ports AS BIGINT) AS ports,
  first_seen, last_seen
FROM summed
