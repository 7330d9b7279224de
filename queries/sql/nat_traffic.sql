-- Say who sends through NAT gateways and to what, with what that may cost and what a gateway endpoint would save.
--
-- Returns: sender varchar, destination varchar, evidence varchar, records bigint,
--          bytes_out bigint, bytes_in bigint, bytes bigint,
--          estimated_usd double, avoidable_usd double, rate_as_of date
-- Order:   bytes desc, sender asc, destination asc, evidence asc, avoidable_usd desc
-- Reads:   gateways, rates
-- Fixed:   $verdict = accepted, $uncounted = true
-- Note:    Evidence: `gateway`, the gateway's own record of its inner side, each packet once a
--          gateway; `next_hop`, the sender's record names one. What is not known to have passed
--          one has no estimate: `unknown_hop`, it left by another interface of the VPC (a NAT
--          gateway that is not logged, a firewall, a transit gateway); `unknown_path`, its log has
--          no traffic-path. Estimated is what gateways take a GB either way, nothing by the hour.
--          Avoidable is what of it goes to S3 and DynamoDB: an endpoint in the same Region is free.
--          An estimate by a dated table (`rates`); bills differ: IP bytes, rounding, SKIPDATA.
WITH rate AS (
  SELECT max(usd_per_gb) AS usd_per_gb, max(as_of) AS as_of
  FROM rates
  WHERE item = 'nat_gateway'
),
ends AS (
  SELECT
    CASE WHEN goes_out = (initiator IS DISTINCT FROM 'dst') THEN client ELSE server END AS sender,
    CASE WHEN goes_out = (initiator IS DISTINCT FROM 'dst') THEN server_label ELSE client_label END AS destination,
    coalesce(
      CASE WHEN goes_out = (initiator IS DISTINCT FROM 'dst') THEN server_aws_service ELSE client_aws_service END,
      ''
    ) IN ('S3', 'DYNAMODB') AS has_endpoint,
    evidence,
    evidence IN ('gateway', 'next_hop') AS passed,
    records,
    coalesce(bytes, 0) AS bytes,
    CASE WHEN goes_out THEN coalesce(bytes, 0) ELSE 0 END AS bytes_out
  FROM asked
)
SELECT
  sender, destination, evidence,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(bytes_out) AS BIGINT) AS bytes_out,
  CAST(sum(bytes - bytes_out) AS BIGINT) AS bytes_in,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  CASE WHEN passed THEN round(CAST(sum(bytes) AS DOUBLE) / 1073741824 * usd_per_gb, 4) END AS estimated_usd,
  CASE WHEN passed AND has_endpoint THEN round(CAST(sum(bytes) AS DOUBLE) / 1073741824 * usd_per_gb, 4) END
    AS avoidable_usd,
  as_of AS rate_as_of
FROM ends
CROSS JOIN rate
GROUP BY sender, destination, evidence, has_endpoint, passed, usd_per_gb, as_of
