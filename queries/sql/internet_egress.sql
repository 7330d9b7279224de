-- Say who sends to the internet and to what of it, as a caller or in answer, with what that may cost.
--
-- Returns: sender varchar, sent_as varchar, destination varchar, kind varchar,
--          packets bigint, bytes bigint, estimated_usd double, rate_as_of date
-- Order:   bytes desc, sender asc, sent_as asc, destination asc, kind asc
-- Reads:   traffic, rates
-- Fixed:   $verdict = accepted, $scope = outbound
-- Rolled:  edges
-- Note:    The sender is the end that is ours, whoever opened the conversation: as `client` it called
--          out, as `server` it answered. The destination is an AWS service, your own label, or the
--          internet. Estimated is the internet alone, at the rate of the first tier: of an AWS
--          service the log tells no Region, and a range of yours may be reached otherwise. What a NAT
--          gateway takes comes on top (`nat_traffic`). An estimate by a dated table (`rates`); bills
--          differ: IP bytes, rounding, free and cheaper tiers, SKIPDATA.
WITH rate AS (
  SELECT max(usd_per_gb) AS usd_per_gb, max(as_of) AS as_of
  FROM rates
  WHERE item = 'internet_egress'
),
sent AS (
  SELECT
    client AS sender, 'client' AS sent_as, server_label AS destination, server_kind AS kind,
    packets_to_server AS packets, bytes_to_server AS bytes
  FROM asked
  WHERE packets_to_server + bytes_to_server > 0
  UNION ALL
  SELECT
    server AS sender, 'server' AS sent_as, client_label AS destination, client_kind AS kind,
    packets_to_client AS packets, bytes_to_client AS bytes
  FROM asked
  WHERE packets_to_client + bytes_to_client > 0
)
SELECT
  sender, sent_as, destination, kind,
  CAST(sum(packets) AS BIGINT) AS packets,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  CASE WHEN kind = 'internet' THEN round(CAST(sum(bytes) AS DOUBLE) / 1073741824 * usd_per_gb, 4) END
    AS estimated_usd,
  as_of AS rate_as_of
FROM sent
CROSS JOIN rate
WHERE kind IS DISTINCT FROM 'on_premises'
GROUP BY sender, sent_as, destination, kind, usd_per_gb, as_of
