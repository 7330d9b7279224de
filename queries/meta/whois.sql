-- Who held an address: every interval of it, and of the ranges that hold it.
--
-- Asked of a time ($at), the intervals that surely or possibly hold then; if there is
-- none, the nearest before it and the nearest after it, which at_that_time says. So too
-- if only the interface is known, and pods of other times are. A pod lies in its
-- instance's VPC, as only AWS tells where an address lies.
WITH placed AS (
  SELECT instance, min(vpc) AS its_vpc
  FROM identities
  WHERE instance IS NOT NULL AND vpc IS NOT NULL
  GROUP BY instance
),
holders AS (
  SELECT
    *,
    coalesce(earliest, valid_from) AS begin,
    coalesce(latest, greatest(valid_until, last_seen)) AS until,
    -- What a look saw was so in its own second; what told its end was not.
    CASE until_known
      WHEN 'ended_at' THEN valid_until
      ELSE coalesce(valid_until, last_seen) + INTERVAL 1 SECOND
    END AS sure_until,
    CASE
      WHEN $at IS NULL THEN NULL
      WHEN valid_from <= $at AND $at < sure_until THEN 'surely'
      WHEN coalesce(earliest, TIMESTAMPTZ '1970-01-01') <= $at
        AND $at < coalesce(latest, greatest(valid_until, last_seen), TIMESTAMPTZ '9999-01-01') THEN 'possibly'
      WHEN valid_from <= $at AND $at <= coalesce(valid_until, TIMESTAMPTZ '9999-01-01') THEN 'possibly'
      WHEN coalesce(earliest, valid_from) > $at THEN 'after'
      ELSE 'before'
    END AS at_that_time,
    at_that_time IN ('surely', 'possibly') AS is_then
  FROM identities
  LEFT JOIN placed USING (instance)
  WHERE (
      address IN address_spellings($addresses)
      OR (contains(address, '/') AND in_networks($addresses[1], [address]))
    )
    AND ($vpc IS NULL OR coalesce(vpc, its_vpc, $vpc) = $vpc)
)
SELECT
  address,
  vpc,
  kind,
  name,
  cluster,
  namespace,
  workload,
  pod,
  node,
  instance,
  eni,
  subnet,
  az,
  account,
  aws_service,
  owner,
  valid_from AS held_from,
  valid_until AS held_until,
  from_known,
  until_known,
  earliest,
  latest,
  last_seen,
  at_that_time,
  scope
FROM holders
QUALIFY $at IS NULL
  OR is_then
  OR (
    count(*) FILTER (is_then AND source = 'kubernetes') OVER () = 0
    AND (source = 'kubernetes' OR count(*) FILTER (is_then) OVER () = 0)
    AND row_number() OVER (
      PARTITION BY source, at_that_time
      ORDER BY
        CASE at_that_time WHEN 'after' THEN begin END ASC,
        CASE at_that_time WHEN 'before' THEN until END DESC,
        scope ASC, holder ASC
    ) = 1
  )
ORDER BY is_then DESC, held_from DESC NULLS LAST, address ASC, scope ASC, eni ASC
