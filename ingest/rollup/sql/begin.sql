-- Tables of one hour. Parts are sums of one batch of rows; facts are sums of the parts.
CREATE OR REPLACE TEMP TABLE parts (
  client INTEGER, server INTEGER, outcome INTEGER, service_port INTEGER, client_address VARCHAR,
  records BIGINT, connections BIGINT, packets_to_server BIGINT, packets_to_client BIGINT,
  bytes_to_server BIGINT, bytes_to_client BIGINT, first_seen TIMESTAMPTZ, last_seen TIMESTAMPTZ
);

CREATE OR REPLACE TEMP TABLE heard (
  observer VARCHAR, account_id VARCHAR, vpc_id VARCHAR, subnet_id VARCHAR, flow_log_id VARCHAR,
  source_object VARCHAR, minute BIGINT, records BIGINT, undecided BIGINT, unsettled BIGINT,
  unmatched BIGINT, unattributed BIGINT, sides BIGINT, sides_attributed BIGINT,
  first_start TIMESTAMPTZ, first_end TIMESTAMPTZ, last_end TIMESTAMPTZ, longest_s BIGINT
);

CREATE OR REPLACE TEMP TABLE hidden (source BIGINT, address VARCHAR, stands VARCHAR);
