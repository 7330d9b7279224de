-- The internet's addresses that were rejected, each once a source.
SELECT DISTINCT CAST(c.source AS BIGINT) AS source, f.client_address AS address
FROM facts AS f
JOIN ends AS c ON c.number = f.client
JOIN outcomes AS o ON o.number = f.outcome
WHERE o.verdict = 'rejected' AND c.kind IN ('internet', 'aws_service') AND f.client_address IS NOT NULL
