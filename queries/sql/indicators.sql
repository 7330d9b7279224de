-- Find who talked with what is on a list of yours: addresses and CIDRs, what was let in first.
--
-- Params:  $ports varchar in each|all = each 'A row for each service port, those of an address and an end with more than 20 as one (each) or not (all).'
-- Returns: indicator varchar, label varchar, address varchar, side varchar, other_end varchar,
--          service_port integer, many_ports boolean, protocol integer, verdict varchar, reject_cause varchar,
--          records bigint, packets bigint, bytes bigint, first_seen timestamptz, last_seen timestamptz,
--          country varchar, as_number bigint, as_name varchar
-- Order:   verdict asc, bytes desc, records desc, indicator asc, label asc, address asc, side asc, other_end asc,
--          service_port asc, many_ports asc, protocol asc, reject_cause asc
-- Reads:   traffic, indicators, mmdb
-- Note:    Side is what the address on the list was: the client opened the conversation. An address that
--          several indicators hold has a row for each: rows overlap. More than 20 ports of an address and
--          an end are one row (`many_ports`). Country and AS are of your own databases (FLOWLAKE_MMDB).
WITH addresses AS (
  SELECT src_address AS address
  FROM flows
  WHERE start_time >= $from AND start_time < $until
  UNION
  SELECT dst_address AS address
  FROM flows
  WHERE start_time >= $from AND start_time < $until
),
numbers AS (
  SELECT
    address,
    CAST(split_part(address, '.', 1) AS BIGINT) * 16777216 + CAST(split_part(address, '.', 2) AS BIGINT) * 65536
    + CAST(split_part(address, '.', 3) AS BIGINT) * 256 + CAST(split_part(address, '.', 4) AS BIGINT) AS number
  FROM addresses
  WHERE address LIKE '%.%.%.%' AND address NOT LIKE '%:%'
),
groups AS (
  SELECT
    address,
    replace(
      CASE WHEN address LIKE '::%' THEN '0' ELSE '' END || lower(address)
      || CASE WHEN address LIKE '%::' THEN '0' ELSE '' END,
      '::',
      ':' || substr('0:0:0:0:0:0:0:0:', 1, 2 * (8 - length(address) + length(replace(address, ':', ''))))
    ) AS groups
  FROM addresses
  WHERE address LIKE '%:%'
),
digits AS (
  SELECT
    address,
    lpad(split_part(groups, ':', 1), 4, '0') || lpad(split_part(groups, ':', 2), 4, '0')
    || lpad(split_part(groups, ':', 3), 4, '0') || lpad(split_part(groups, ':', 4), 4, '0')
    || lpad(split_part(groups, ':', 5), 4, '0') || lpad(split_part(groups, ':', 6), 4, '0')
    || lpad(split_part(groups, ':', 7), 4, '0') || lpad(split_part(groups, ':', 8), 4, '0') AS digits
  FROM groups
),
lengths AS (
  SELECT DISTINCT family, bits
  FROM indicators
),
keyed AS (
  SELECT
    numbers.address, lengths.family, lengths.bits,
    CAST(numbers.number - numbers.number % CAST(power(2, 32 - lengths.bits) AS BIGINT) AS VARCHAR) AS key
  FROM numbers
  CROSS JOIN lengths
  WHERE lengths.family = 4
  UNION ALL
  SELECT
    digits.address, lengths.family, lengths.bits,
    substr(digits.digits, 1, CAST(lengths.bits / 4 AS INTEGER)) AS key
  FROM digits
  CROSS JOIN lengths
  WHERE lengths.family = 6
),
hits AS (
  SELECT DISTINCT keyed.address, indicators.indicator, indicators.label
  FROM keyed
  INNER JOIN indicators
    ON indicators.family = keyed.family AND indicators.bits = keyed.bits AND indicators.key = keyed.key
),
matched AS (
  SELECT
    client_address, server_address, client, server, service_port, protocol, verdict, reject_cause,
    records, packets, bytes, first_seen, last_seen
  FROM asked
  WHERE client_address IN (SELECT address FROM hits) OR server_address IN (SELECT address FROM hits)
),
sides AS (
  SELECT
    hits.indicator, hits.label, hits.address,
    'client' AS side,
    matched.server AS other_end,
    matched.service_port, matched.protocol, matched.verdict, matched.reject_cause,
    matched.records, matched.packets, matched.bytes, matched.first_seen, matched.last_seen
  FROM matched
  INNER JOIN hits ON hits.address = matched.client_address
  UNION ALL
  SELECT
    hits.indicator, hits.label, hits.address,
    'server' AS side,
    matched.client AS other_end,
    matched.service_port, matched.protocol, matched.verdict, matched.reject_cause,
    matched.records, matched.packets, matched.bytes, matched.first_seen, matched.last_seen
  FROM matched
  INNER JOIN hits ON hits.address = matched.server_address
),
ranked AS (
  SELECT
    *,
    dense_rank() OVER (
      PARTITION BY indicator, label, address, side, other_end, verdict
      ORDER BY service_port ASC NULLS LAST
    ) AS nth_port
  FROM sides
),
judged AS (
  SELECT
    *,
    $ports = 'each' AND max(CASE WHEN service_port IS NOT NULL THEN nth_port END) OVER (
      PARTITION BY indicator, label, address, side, other_end, verdict
    ) > 20 AS swept
  FROM ranked
),
folded AS (
  SELECT
    *,
    CASE WHEN NOT coalesce(swept, FALSE) THEN service_port END AS port,
    coalesce(swept, FALSE) AND service_port IS NOT NULL AS is_folded
  FROM judged
)
SELECT
  indicator, label, address, side, other_end,
  port AS service_port,
  is_folded AS many_ports,
  protocol, verdict, reject_cause,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(packets) AS BIGINT) AS packets,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen,
  country_of(address) AS country,
  as_number_of(address) AS as_number,
  as_name_of(address) AS as_name
FROM folded
GROUP BY indicator, label, address, side, other_end, port, is_folded, protocol, verdict, reject_cause
