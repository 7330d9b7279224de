-- Count what was rejected, by where it was recorded, by address or by port.
--
-- Params:  $since timestamptz = 24h, $until timestamptz = now,
--          $by varchar in eni|instance|subnet|vpc|az|account|region|address|source|destination|port = eni,
--          $eni varchar[]?, $instance varchar[]?, $subnet varchar[]?, $vpc varchar[]?,
--          $account varchar[]?, $region varchar[]?, $address address[]?, $network cidr[]?,
--          $port port[]?, $protocol protocol[]?, $limit integer = 20
-- Returns: key varchar, records bigint, packets bigint, bytes bigint, sources bigint,
--          destinations bigint, first_seen timestamptz, last_seen timestamptz
-- Order:   records desc, key asc
-- Reads:   flows
-- Note:    By address, a record stands under both of its addresses, so rows overlap.
--          By port, the destination's. A protocol without ports is named instead.
--          Sources and destinations are distinct packet addresses. The key is null where
--          the flow log does not carry the field.
WITH windowed AS (
  SELECT
    observer, instance_id, subnet_id, vpc_id, az_id, account_id, region,
    src_address, dst_address, srcport, dstport, service_port, protocol,
    packets, bytes, start_time, end_time
  FROM flows
  WHERE start_time >= $since AND start_time < $until
    AND action = 'REJECT'
    AND counted IS NOT FALSE
    AND ($eni IS NULL OR observer IN $eni)
    AND ($instance IS NULL OR instance_id IN $instance)
    AND ($subnet IS NULL OR subnet_id IN $subnet)
    AND ($vpc IS NULL OR vpc_id IN $vpc)
    AND ($account IS NULL OR account_id IN $account)
    AND ($region IS NULL OR region IN $region)
    AND ($port IS NULL OR dstport IN $port OR srcport IN $port)
    AND ($protocol IS NULL OR protocol IN $protocol)
    AND (
      $network IS NULL
      OR in_networks(src_address, $network) OR in_networks(dst_address, $network)
    )
),
chosen AS (
  SELECT *
  FROM windowed
  WHERE $address IS NULL OR dst_address IN address_spellings($address)
  UNION ALL  -- one arm a side: an OR over both would read every row group
  SELECT *
  FROM windowed
  WHERE src_address IN address_spellings($address)
    AND NOT coalesce(dst_address IN address_spellings($address), FALSE)
),
keyed AS (
  SELECT
    CASE $by
      WHEN 'eni' THEN observer
      WHEN 'instance' THEN instance_id
      WHEN 'subnet' THEN subnet_id
      WHEN 'vpc' THEN vpc_id
      WHEN 'az' THEN az_id
      WHEN 'account' THEN account_id
      WHEN 'region' THEN region
      WHEN 'source' THEN src_address
      WHEN 'port' THEN
        CASE
          WHEN protocol IN (6, 17, 33, 132) THEN CAST(dstport AS VARCHAR)
          ELSE 'protocol ' || CAST(protocol AS VARCHAR)
        END
      ELSE dst_address
    END AS key,
    *
  FROM chosen
  UNION ALL
  SELECT src_address AS key, *
  FROM chosen
  WHERE $by = 'address' AND src_address IS DISTINCT FROM dst_address
)
SELECT
  key,
  CAST(count(*) AS BIGINT) AS records,
  CAST(sum(packets) AS BIGINT) AS packets,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  CAST(count(DISTINCT src_address) AS BIGINT) AS sources,
  CAST(count(DISTINCT dst_address) AS BIGINT) AS destinations,
  min(start_time) AS first_seen,
  max(end_time) AS last_seen
FROM keyed
GROUP BY key
ORDER BY records DESC, key ASC NULLS LAST
LIMIT $limit
