-- Interfaces that have one of some addresses, or may have by a prefix, or are one of some.
SELECT address, vpc, eni, subnet, instance, is_primary
FROM identities
WHERE (earliest IS NULL OR earliest <= $at)
  AND (valid_until IS NULL OR valid_until > $at)
  AND (latest IS NULL OR latest > $at)
  AND eni IS NOT NULL
  AND scope LIKE 'aws:%'
  AND (
    list_contains($addresses, address)
    OR list_contains($enis, eni)
    OR (contains(address, '/') AND list_contains($instances, instance))
  )
ORDER BY is_primary DESC NULLS LAST, address ASC
