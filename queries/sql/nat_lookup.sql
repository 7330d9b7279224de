-- Find who sent what a complaint about an Elastic IP or a NAT gateway is about: the candidates, best first, and why.
--
-- Params:  $address address 'The Elastic IP, or the own private address of the NAT gateway.',
--          $port port 'The source port that the complaint names.',
--          $at timestamptz, $slack span = 5m,
--          $peer address? 'Whom the packets reached, who complains.',
--          $peer_port port? 'The port that they reached there.'
-- Returns: rank bigint, certainty varchar, evidence varchar, kind varchar, cluster varchar, namespace varchar,
--          workload varchar, pod varchar, node varchar, instance varchar, vpc varchar, address varchar,
--          client_port integer, peer varchar, peer_port integer, protocol integer,
--          records bigint, packets bigint, bytes bigint, first_seen timestamptz, last_seen timestamptz
-- Order:   rank asc, peer asc, peer_port asc, protocol asc, address asc, pod asc
-- Reads:   flows, identities
-- Limit:   50
-- Note:    What left the gateway by this port around that time is known by its own records, of the same
--          peer and port inside. Evidence, best first: `own_address`, no gateway stands before it;
--          `gateway_same_packets` and `same_packets`, as many packets and bytes at the same time, as the
--          gateway or another interface shows them; `gateway_same_time` and `same_time`, only the
--          same peer, port and time; `same_peer`, no record has this port, but it talked with $peer then.
--          `on_node` and `held_address` are pods that may stand behind the candidate before: of a node
--          whose address its pods leave by, or of an address that several can have had. Sole: by one of
--          the first two, and nobody else is; likely: as many packets, or alone; else possible. Without
--          any record of the port, and without $peer, there is no row. Packets are of both directions.
WITH held AS (
  SELECT DISTINCT
    coalesce(eni, holder) AS observer,
    CASE WHEN eni IS NULL THEN holder END AS holder,
    eni,
    coalesce(forwards, '') = 'nat' AS is_gateway
  FROM identities
  WHERE address = $address AND (earliest IS NULL OR earliest < $until) AND (latest IS NULL OR latest > $since)
),
own AS (
  SELECT identities.address, identities.vpc
  FROM identities
  INNER JOIN held ON held.eni = identities.eni
  WHERE (identities.earliest IS NULL OR identities.earliest < $until)
    AND (identities.latest IS NULL OR identities.latest > $since)
  UNION
  SELECT identities.address, identities.vpc
  FROM identities
  INNER JOIN held ON held.holder = identities.holder
  WHERE (identities.earliest IS NULL OR identities.earliest < $until)
    AND (identities.latest IS NULL OR identities.latest > $since)
),
addresses AS (
  SELECT address
  FROM own
  UNION
  SELECT $address AS address
),
ends AS (
  SELECT
    FALSE AS inward,
    src_address AS address,
    srcport AS port,
    dst_address AS peer,
    dstport AS peer_port,
    protocol, direction, role, settled, observer, next_hop_interface_id, packets, bytes, start_time,
    coalesce(end_time, start_time) AS end_time,
    src_kind AS kind,
    src_cluster AS cluster,
    src_namespace AS namespace,
    src_workload AS workload,
    src_pod AS pod,
    src_node AS node,
    src_instance AS instance,
    src_vpc AS vpc,
    src_attribution AS attribution
  FROM flows
  WHERE start_time >= $from AND start_time < $until AND coalesce(end_time, start_time) >= $since
  UNION ALL
  SELECT
    TRUE AS inward,
    dst_address AS address,
    dstport AS port,
    src_address AS peer,
    srcport AS peer_port,
    protocol, direction, role, settled, observer, next_hop_interface_id, packets, bytes, start_time,
    coalesce(end_time, start_time) AS end_time,
    dst_kind AS kind,
    dst_cluster AS cluster,
    dst_namespace AS namespace,
    dst_workload AS workload,
    dst_pod AS pod,
    dst_node AS node,
    dst_instance AS instance,
    dst_vpc AS vpc,
    dst_attribution AS attribution
  FROM flows
  WHERE start_time >= $from AND start_time < $until AND coalesce(end_time, start_time) >= $since
),
at_port AS (
  SELECT
    ends.*,
    coalesce(held.is_gateway, TRUE) AS is_gateway,
    bool_or(NOT ends.inward) OVER (
      PARTITION BY ends.observer, ends.peer, ends.peer_port, ends.protocol
    ) AS has_gone_out,
    sum(ends.packets) OVER (
      PARTITION BY ends.observer, ends.peer, ends.peer_port, ends.protocol, ends.inward
    ) AS all_packets,
    sum(ends.bytes) OVER (
      PARTITION BY ends.observer, ends.peer, ends.peer_port, ends.protocol, ends.inward
    ) AS all_bytes
  FROM ends
  INNER JOIN addresses ON addresses.address = ends.address
  LEFT JOIN held ON held.observer = ends.observer
  WHERE ends.port = $port
    AND ($peer IS NULL OR ends.peer = $peer)
    AND ($peer_port IS NULL OR ends.peer_port = $peer_port)
    AND coalesce(ends.direction, '') <> CASE WHEN ends.inward THEN 'egress' ELSE 'ingress' END
    AND (held.observer IS NOT NULL OR ends.address = $address)
),
-- (what comes to a port of a gateway is nobody's unless something went out by it)
outside AS (
  SELECT *
  FROM at_port
  WHERE has_gone_out OR NOT is_gateway OR (settled AND role = 'nat_public')
),
peers AS (
  SELECT DISTINCT peer, peer_port, protocol
  FROM outside
),
inside AS (
  SELECT
    ends.*,
    sum(ends.packets) OVER (
      PARTITION BY ends.observer, ends.address, ends.port, ends.peer, ends.peer_port, ends.protocol, ends.inward
    ) AS all_packets,
    sum(ends.bytes) OVER (
      PARTITION BY ends.observer, ends.address, ends.port, ends.peer, ends.peer_port, ends.protocol, ends.inward
    ) AS all_bytes
  FROM ends
  INNER JOIN peers
    ON peers.peer = ends.peer AND peers.peer_port = ends.peer_port AND peers.protocol = ends.protocol
  WHERE ends.address NOT IN (SELECT address FROM addresses)
),
compared AS (
  SELECT
    inside.*,
    coalesce(inside.observer = outside.observer, FALSE) AS at_gateway,
    (inside.packets = outside.packets AND inside.bytes = outside.bytes)
    OR (inside.all_packets = outside.all_packets AND inside.all_bytes = outside.all_bytes) AS same
  FROM inside
  INNER JOIN outside
    ON outside.peer = inside.peer
    AND outside.peer_port = inside.peer_port
    AND outside.protocol = inside.protocol
    AND outside.inward = inside.inward
    AND inside.start_time <= outside.end_time + INTERVAL 1 MINUTE
    AND inside.end_time >= outside.start_time - INTERVAL 1 MINUTE
),
linked AS (
  SELECT
    inward, address, port, peer, peer_port, protocol, observer, packets, bytes, start_time, end_time,
    kind, cluster, namespace, workload, pod, node, instance, vpc, attribution, at_gateway,
    max(CASE WHEN at_gateway THEN 2 ELSE 1 END + CASE WHEN same THEN 2 ELSE 0 END) AS strength
  FROM compared
  GROUP BY
    inward, address, port, peer, peer_port, protocol, observer, packets, bytes, start_time, end_time,
    kind, cluster, namespace, workload, pod, node, instance, vpc, attribution, at_gateway
  UNION ALL
  SELECT
    inward, address, port, peer, peer_port, protocol, observer, packets, bytes, start_time, end_time,
    kind, cluster, namespace, workload, pod, node, instance, vpc, attribution,
    TRUE AS at_gateway,
    5 AS strength
  FROM outside
  WHERE NOT is_gateway
  UNION ALL
  SELECT
    ends.inward, ends.address, ends.port, ends.peer, ends.peer_port, ends.protocol, ends.observer, ends.packets,
    ends.bytes, ends.start_time, ends.end_time, ends.kind, ends.cluster, ends.namespace, ends.workload, ends.pod,
    ends.node, ends.instance, ends.vpc, ends.attribution,
    held.observer IS NOT NULL AS at_gateway,
    0 AS strength
  FROM ends
  LEFT JOIN held ON held.observer = ends.observer
  WHERE ends.peer = $peer
    AND ($peer_port IS NULL OR ends.peer_port = $peer_port)
    AND ends.address NOT IN (SELECT address FROM addresses)
    AND (SELECT count(*) FROM outside) = 0
    AND (
      held.observer IS NOT NULL
      OR ends.next_hop_interface_id IN (SELECT observer FROM held WHERE is_gateway)
      OR ends.vpc IN (SELECT vpc FROM own WHERE vpc IS NOT NULL)
    )
),
-- (a conversation, as one interface shows it)
shown AS (
  SELECT
    address, port, peer, peer_port, protocol, observer, at_gateway,
    max(strength) AS strength,
    count(*) AS records,
    sum(packets) AS packets,
    sum(bytes) AS bytes,
    min(start_time) AS first_seen,
    max(end_time) AS last_seen
  FROM linked
  GROUP BY address, port, peer, peer_port, protocol, observer, at_gateway
),
conversations AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY address, port, peer, peer_port, protocol ORDER BY at_gateway DESC, strength DESC, observer ASC
    ) AS nth,
    max(strength) OVER (PARTITION BY address, port, peer, peer_port, protocol) AS best,
    bool_or(at_gateway) OVER (PARTITION BY address, port, peer, peer_port, protocol) AS through_gateway,
    bool_or(at_gateway) OVER (PARTITION BY peer, peer_port, protocol) AS gateway_tells
  FROM shown
),
named AS (
  SELECT
    address, port, peer, peer_port, protocol, kind, cluster, namespace, workload, pod, node, instance, vpc,
    attribution,
    row_number() OVER (
      PARTITION BY address, port, peer, peer_port, protocol
      ORDER BY
        CASE WHEN attribution = 'exact' THEN 0 WHEN vpc IS NOT NULL THEN 1 ELSE 2 END ASC,
        pod ASC NULLS LAST, at_gateway DESC, start_time ASC, vpc ASC
    ) AS nth
  FROM linked
),
-- (whoever spoke, with its best conversation)
speakers AS (
  SELECT
    named.kind, named.cluster, named.namespace, named.workload, named.pod, named.node, named.instance, named.vpc,
    named.attribution, c.address, c.port, c.peer, c.peer_port, c.protocol, c.best, c.records, c.packets, c.bytes,
    c.first_seen, c.last_seen,
    c.first_seen > $at + INTERVAL 1 MINUTE OR c.last_seen < $at - INTERVAL 1 MINUTE AS at_another_time,
    row_number() OVER (
      PARTITION BY c.address, named.vpc, named.kind, named.pod, named.node, c.peer, c.peer_port, c.protocol
      ORDER BY c.best DESC, c.records DESC, c.port ASC
    ) AS nth
  FROM conversations AS c
  INNER JOIN named
    ON named.address = c.address
    AND named.port = c.port
    AND named.peer = c.peer
    AND named.peer_port = c.peer_port
    AND named.protocol = c.protocol
    AND named.nth = 1
  WHERE c.nth = 1 AND (c.through_gateway OR NOT c.gateway_tells)
),
candidates AS (
  SELECT *
  FROM speakers
  WHERE nth = 1
),
most AS (
  SELECT max(best) AS best
  FROM candidates
),
alone AS (
  SELECT count(*) AS holders
  FROM (
    SELECT DISTINCT address, vpc, kind, pod, node
    FROM candidates
    INNER JOIN most ON most.best = candidates.best
  ) AS holding
),
behind AS (
  SELECT
    candidates.*,
    'on_node' AS because,
    pods.cluster AS pod_cluster,
    pods.namespace AS pod_namespace,
    pods.workload AS pod_workload,
    pods.pod AS pod_pod,
    pods.address AS pod_address,
    pods.node AS pod_node
  FROM candidates
  INNER JOIN identities AS pods ON pods.node = candidates.node
  WHERE candidates.pod IS NULL
    AND candidates.attribution = 'node_or_snat'
    AND pods.kind = 'pod'
    AND coalesce(candidates.cluster, pods.cluster) = pods.cluster
    AND (pods.earliest IS NULL OR pods.earliest <= candidates.last_seen)
    AND (pods.latest IS NULL OR pods.latest >= candidates.first_seen - INTERVAL 1 MINUTE)
  UNION ALL
  SELECT
    candidates.*,
    'held_address' AS because,
    pods.cluster AS pod_cluster,
    pods.namespace AS pod_namespace,
    pods.workload AS pod_workload,
    pods.pod AS pod_pod,
    pods.address AS pod_address,
    pods.node AS pod_node
  FROM candidates
  INNER JOIN identities AS pods ON pods.address = candidates.address
  WHERE candidates.pod IS NULL
    AND candidates.attribution IS DISTINCT FROM 'exact'
    AND candidates.attribution IS DISTINCT FROM 'node_or_snat'
    AND pods.kind = 'pod'
    AND coalesce(candidates.vpc, pods.vpc, '') = coalesce(pods.vpc, candidates.vpc, '')
    AND (pods.earliest IS NULL OR pods.earliest <= candidates.last_seen)
    AND (pods.latest IS NULL OR pods.latest >= candidates.first_seen - INTERVAL 1 MINUTE)
),
listed AS (
  SELECT
    CASE
      WHEN candidates.best >= 4 AND candidates.best = most.best AND alone.holders = 1 THEN 'sole'
      WHEN candidates.best >= 3 THEN 'likely'
      WHEN candidates.best >= 1 AND candidates.best = most.best AND alone.holders = 1 THEN 'likely'
      ELSE 'possible'
    END AS certainty,
    CASE candidates.best
      WHEN 5 THEN 'own_address'
      WHEN 4 THEN 'gateway_same_packets'
      WHEN 3 THEN 'same_packets'
      WHEN 2 THEN 'gateway_same_time'
      WHEN 1 THEN 'same_time'
      ELSE 'same_peer'
    END AS evidence,
    candidates.best, candidates.kind, candidates.cluster, candidates.namespace, candidates.workload, candidates.pod,
    candidates.node, candidates.instance, candidates.vpc, candidates.address,
    candidates.address AS shown_address,
    candidates.port, candidates.peer, candidates.peer_port, candidates.protocol, candidates.records,
    candidates.packets, candidates.bytes, candidates.first_seen, candidates.last_seen, candidates.at_another_time
  FROM candidates
  CROSS JOIN most
  CROSS JOIN alone
  UNION ALL
  SELECT DISTINCT
    'possible' AS certainty,
    because AS evidence,
    best,
    'pod' AS kind,
    pod_cluster AS cluster,
    pod_namespace AS namespace,
    pod_workload AS workload,
    pod_pod AS pod,
    pod_node AS node,
    instance, vpc, address,
    pod_address AS shown_address,
    CAST(NULL AS INTEGER) AS port,
    peer, peer_port, protocol, records, packets, bytes, first_seen, last_seen, at_another_time
  FROM behind
)
SELECT
  row_number() OVER (
    ORDER BY
      best DESC, at_another_time ASC, records DESC, peer ASC, peer_port ASC, protocol ASC, address ASC, vpc ASC,
      port ASC NULLS LAST, cluster ASC, namespace ASC, pod ASC, shown_address ASC, first_seen ASC
  ) AS rank,
  certainty, evidence, kind, cluster, namespace, workload, pod, node, instance, vpc,
  shown_address AS address,
  port AS client_port,
  peer, peer_port, protocol,
  CAST(CASE WHEN port IS NOT NULL THEN records END AS BIGINT) AS records,
  CAST(CASE WHEN port IS NOT NULL THEN packets END AS BIGINT) AS packets,
  CAST(CASE WHEN port IS NOT NULL THEN bytes END AS BIGINT) AS bytes,
  first_seen, last_seen
FROM listed
