-- Find what changed: refused and later accepted (opened), or accepted and later refused (broke).
--
-- Returns: change varchar, client varchar, server varchar, service_port integer, protocol integer,
--          between_s bigint, rejected_records bigint, rejected_first timestamptz,
--          rejected_last timestamptz, reject_cause varchar, accepted_records bigint,
--          accepted_first timestamptz, accepted_last timestamptz
-- Order:   change asc, rejected_records desc, client asc, server asc, service_port asc, protocol asc
-- Reads:   traffic
-- Fixed:   $verdict = accepted|rejected
-- Note:    Of TCP whose flags are known only openings of connections are looked at: a connection goes
--          on when a rule changes, and what comes late after it is refused though nothing changed.
--          Between is from the last of the one to the first of the other, seconds. Mixed: refused and
--          accepted in turns, or for some addresses of the client and not for others: ask by address.
--          Each address of the internet stands for itself. Of several causes one is shown.
WITH tries AS (
  SELECT
    *,
    CASE WHEN client_kind IN ('internet', 'aws_service') THEN client_address ELSE client END AS who
  FROM asked
  WHERE coalesce(initiator <> 'dst', TRUE)
    AND (protocol IS DISTINCT FROM 6 OR coalesce(tcp_flags & 18, 2) = 2)  -- SYN without ACK
    AND service_port IS NOT NULL
    AND coalesce(reject_cause, '') NOT IN ('late_packet', 'idle_timeout')
),
summed AS (
  SELECT
    who, server, service_port, protocol,
    sum(CASE WHEN verdict = 'rejected' THEN records ELSE 0 END) AS rejected_records,
    min(CASE WHEN verdict = 'rejected' THEN first_seen END) AS rejected_first,
    max(CASE WHEN verdict = 'rejected' THEN last_seen END) AS rejected_last,
    max(reject_cause) AS reject_cause,
    sum(CASE WHEN verdict = 'accepted' THEN records ELSE 0 END) AS accepted_records,
    min(CASE WHEN verdict = 'accepted' THEN first_seen END) AS accepted_first,
    max(CASE WHEN verdict = 'accepted' THEN last_seen END) AS accepted_last
  FROM tries
  GROUP BY who, server, service_port, protocol
),
changed AS (
  SELECT
    *,
    CASE
      WHEN rejected_last < accepted_first THEN 'opened'
      WHEN accepted_last < rejected_first THEN 'broke'
      ELSE 'mixed'
    END AS change
  FROM summed
  WHERE rejected_records > 0 AND accepted_records > 0
)
SELECT
  change,
  who AS client,
  server, service_port, protocol,
  CASE change
    WHEN 'opened' THEN date_diff('second', rejected_last, accepted_first)
    WHEN 'broke' THEN date_diff('second', accepted_last, rejected_first)
  END AS between_s,
  CAST(rejected_records AS BIGINT) AS rejected_records,
  rejected_first, rejected_last, reject_cause,
  CAST(accepted_records AS BIGINT) AS accepted_records,
  accepted_first, accepted_last
FROM changed
