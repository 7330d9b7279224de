-- As `called`, a row for each security group of both ends' sets.
SELECT called.* REPLACE (one_client AS client, one_server AS server)
FROM called
CROSS JOIN UNNEST(string_split(client, ',')) AS clients (one_client)
CROSS JOIN UNNEST(string_split(server, ',')) AS servers (one_server)
