-- Say of every security-group rule and network-ACL entry how far it was used, what covers it, and what it allows beyond that.
--
-- Params:  $since timestamptz = 24h, $until timestamptz = now,
--          $kind varchar? in security_group|network_acl 'Of this kind of resource.',
--          $usage varchar? in used|unused|unknown 'So used.',
--          $resource varchar[]? 'Of these security groups or network ACLs.',
--          $vpc varchar[]? 'Of these VPCs.', $account varchar[]? 'Of these accounts.'
-- Returns: kind varchar, resource varchar, name varchar, vpc varchar, account varchar, direction varchar,
--          rule_id varchar, number integer, action varchar, protocol varchar, from_port integer,
--          to_port integer, peer varchar, text varchar, usage varchar, why varchar, records bigint,
--          sole_records bigint, possible_records bigint, packets bigint, bytes bigint,
--          last_used timestamptz, interfaces bigint, completeness double, existed_from timestamptz,
--          existed_until timestamptz, shadowed_by varchar, observed_ports varchar, observed_peers bigint,
--          observed_network varchar, wider_by varchar, wider boolean
-- Order:   records asc, usage desc, resource asc, direction asc, number asc, action asc, text asc
-- Key:     resource, direction, number, action, text
-- Reads:   flows, configurations, coverage_hourly, rules
-- Note:    Unused first. A group's rule is used by every accepted record of who opened a conversation that
--          it surely is for, be others for it too; sole_records no other rule would have let pass. An entry
--          is used where it is the first that surely is for a record: one that allows by what was accepted,
--          one that denies by what was rejected. possible_records may have used it. Unused is said only if
--          nothing may have used it and its interfaces were heard of for 99 % of their time in the window,
--          as far as records reach, by flow logs that record that action (completeness: each flow log for
--          itself, the best one of each hour; of windows by the clock each without records or silence is missing,
--          and where they may begin otherwise all that may be missing between two records); else why says what is
--          not known. existed_from and existed_until tell of a rule that surely stood for a part of the window
--          only. shadowed_by is a rule of the same group, or an earlier entry, that covers it wholly: a network
--          within a network, all ports of a protocol; what several cover together is not looked for. wider, as
--          surely as unused would be: of a rule that allows and was used, if it is for every protocol (protocols),
--          for more ports than were used (ports), or for a network of which all peers lie in a 256th or less,
--          observed_network (peers): wider_by says which. Groups on no interface and ACLs before no subnet let
--          nothing pass; the latter are not listed.
SELECT
  kind, resource, name, vpc, account, direction, rule_id, number, action, protocol, from_port, to_port,
  peer, text, usage, why, records, sole_records, possible_records, packets, bytes, last_used, interfaces,
  completeness, existed_from, existed_until, shadowed_by, observed_ports, observed_peers,
  observed_network, wider_by, wider
FROM rules
WHERE ($kind IS NULL OR kind = $kind)
  AND ($usage IS NULL OR usage = $usage)
  AND ($resource IS NULL OR resource IN $resource)
  AND ($vpc IS NULL OR vpc IN $vpc)
  AND ($account IS NULL OR account IN $account)
  AND $since < $until
