-- Who held an address: every interval of it, and of the ranges that hold it.
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
  CASE
    WHEN $at IS NULL THEN NULL
    WHEN valid_from <= $at AND $at < coalesce(valid_until, last_seen + INTERVAL 1 SECOND) THEN 'surely'
    ELSE 'possibly'
  END AS at_that_time,
  scope
FROM identities
WHERE (
    address IN address_spellings($addresses)
    OR (contains(address, '/') AND in_networks($addresses[1], [address]))
  )
  AND ($vpc IS NULL OR vpc IS NULL OR vpc = $vpc)
  AND (
    $at IS NULL
    OR (
      coalesce(earliest, TIMESTAMPTZ '1970-01-01') <= $at
      AND $at < coalesce(latest, greatest(valid_until, last_seen), TIMESTAMPTZ '9999-01-01')
      OR valid_from <= $at AND $at <= coalesce(valid_until, TIMESTAMPTZ '9999-01-01')
    )
  )
ORDER BY held_from DESC NULLS LAST, address ASC, scope ASC, eni ASC
LIMIT $limit
