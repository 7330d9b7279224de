-- Cross any two identities: what was accepted, rejected and left unconfirmed, side by side.
--
-- Returns: client varchar, server varchar, records bigint,
--          accepted_records bigint, accepted_connections bigint, accepted_bytes bigint,
--          rejected_records bigint, rejected_connections bigint, rejected_bytes bigint,
--          unconfirmed_records bigint, unconfirmed_connections bigint, unconfirmed_bytes bigint
-- Order:   records desc, client asc, server asc
-- Reads:   traffic
-- Rolled:  edges
-- Limit:   1000
-- Note:    Each record stands in one cell, so rows and columns add up to all that was asked about,
--          unless `limit` cuts them short. Bytes are of both directions.
SELECT
  client, server,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(CASE WHEN verdict = 'accepted' THEN records ELSE 0 END) AS BIGINT) AS accepted_records,
  CAST(sum(CASE WHEN verdict = 'accepted' THEN connections ELSE 0 END) AS BIGINT) AS accepted_connections,
  CAST(sum(CASE WHEN verdict = 'accepted' THEN coalesce(bytes, 0) ELSE 0 END) AS BIGINT) AS accepted_bytes,
  CAST(sum(CASE WHEN verdict = 'rejected' THEN records ELSE 0 END) AS BIGINT) AS rejected_records,
  CAST(sum(CASE WHEN verdict = 'rejected' THEN connections ELSE 0 END) AS BIGINT) AS rejected_connections,
  CAST(sum(CASE WHEN verdict = 'rejected' THEN coalesce(bytes, 0) ELSE 0 END) AS BIGINT) AS rejected_bytes,
  CAST(sum(CASE WHEN verdict = 'unconfirmed' THEN records ELSE 0 END) AS BIGINT) AS unconfirmed_records,
  CAST(sum(CASE WHEN verdict = 'unconfirmed' THEN connections ELSE 0 END) AS BIGINT) AS unconfirmed_connections,
  CAST(sum(CASE WHEN verdict = 'unconfirmed' THEN coalesce(bytes, 0) ELSE 0 END) AS BIGINT) AS unconfirmed_bytes
FROM asked
GROUP BY client, server
