-- Sum the parts, and number the ends anew by what each roll-up tells apart of them.
CREATE OR REPLACE TEMP TABLE facts AS
SELECT
  client, server, outcome, service_port, client_address,
  CAST(sum(records) AS BIGINT) AS records,
  CAST(sum(connections) AS BIGINT) AS connections,
  CAST(sum(packets_to_server) AS BIGINT) AS packets_to_server,
  CAST(sum(packets_to_client) AS BIGINT) AS packets_to_client,
  CAST(sum(bytes_to_server) AS BIGINT) AS bytes_to_server,
  CAST(sum(bytes_to_client) AS BIGINT) AS bytes_to_client,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM parts
GROUP BY client, server, outcome, service_port, client_address;

CREATE OR REPLACE TEMP TABLE ends AS
SELECT
  *,
  dense_rank() OVER (ORDER BY kind, cluster, namespace, workload, az, vpc, account) AS edge,
  dense_rank() OVER (ORDER BY kind, cluster, namespace, workload) AS peer,
  dense_rank() OVER (ORDER BY cluster, namespace, workload) AS crowd,
  dense_rank() OVER (ORDER BY kind, cluster, namespace, workload, pod) AS source
FROM given_ends;

CREATE OR REPLACE TEMP TABLE outcomes AS
SELECT * FROM given_outcomes;
