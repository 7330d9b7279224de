-- As `called`, a row for each security group of both ends' sets; of an end that has no
-- name at all one without a name.
SELECT called.* REPLACE (one_client AS client, one_server AS server)
FROM called
CROSS JOIN UNNEST(coalesce(string_split(client, ','), [CAST(NULL AS VARCHAR)])) AS clients (one_client)
CROSS JOIN UNNEST(coalesce(string_split(server, ','), [CAST(NULL AS VARCHAR)])) AS servers (one_server)
