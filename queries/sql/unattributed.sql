-- Say which ends are ours, or may be, and have no name: why, how much is theirs, and what to do about it.
--
-- Params:  $by varchar in vpc|subnet|account|az|cluster|node|instance|eni|address|network = vpc 'What an end is called by.'
-- Returns: reason varchar, kind varchar, place varchar, sides bigint, addresses bigint, bytes bigint,
--          share double, example varchar, what_to_do varchar
-- Order:   sides desc, reason asc, kind asc, place asc
-- Reads:   traffic
-- Note:    A record has two sides. Those that are nobody's we know of (internet, AWS services, your
--          labels) are not here; share is of all others. Bytes of a record stand under both its sides.
--          An example is an address for `flowlake whois`. Kind is what is known in spite of it.
WITH sides AS (
  SELECT client_attribution AS reason, client_kind AS kind, client AS place, client_address AS address, bytes
  FROM asked
  WHERE client_attribution IS NOT NULL
  UNION ALL
  SELECT server_attribution AS reason, server_kind AS kind, server AS place, server_address AS address, bytes
  FROM asked
  WHERE server_attribution IS NOT NULL
),
whole AS (
  SELECT count(*) AS sides
  FROM sides
)
SELECT
  reason, kind, place,
  CAST(count(*) AS BIGINT) AS sides,
  CAST(count(DISTINCT address) AS BIGINT) AS addresses,
  CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes,
  round(CAST(count(*) AS DOUBLE) / whole.sides, 4) AS share,
  min(address) AS example,
  CASE reason
    WHEN 'no_identity' THEN 'list the account and Region or the cluster that it is of: flowlake inventory'
    WHEN 'not_covered' THEN 'list more often, or with --watch: who had it is known, but not at that time'
    WHEN 'ambiguous' THEN 'list more often, or with --watch: several can have had it in that time'
    WHEN 'node_or_snat' THEN 'turn SNAT off in the cluster (AWS_VPC_K8S_CNI_EXTERNALSNAT): a pod may be behind its node'
    WHEN 'no_pkt_addr' THEN 'add pkt-srcaddr and pkt-dstaddr to the format of the flow log'
    ELSE 'see flowlake doctor'
  END AS what_to_do
FROM sides
CROSS JOIN whole
WHERE reason NOT IN ('exact', 'learned', 'host_network')
GROUP BY reason, kind, place, whole.sides
