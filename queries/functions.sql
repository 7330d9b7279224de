-- Functions that reports may call beside the engine's own; another engine brings its
-- own definitions of the same names.

-- The last 32 bits of an IPv6 address written as an IPv4 address, as two groups instead.
CREATE OR REPLACE MACRO two_groups(dotted) AS
printf(
  '%x:%x',
  256 * TRY_CAST(split_part(dotted, '.', 1) AS INTEGER) + TRY_CAST(split_part(dotted, '.', 2) AS INTEGER),
  256 * TRY_CAST(split_part(dotted, '.', 3) AS INTEGER) + TRY_CAST(split_part(dotted, '.', 4) AS INTEGER)
);

-- An IPv6 address as 32 hexadecimal digits, whatever its spelling: '::' becomes as many
-- zero groups as eight groups need.
CREATE OR REPLACE MACRO hexadecimal_digits(address) AS
list_reduce(
  list_transform(
    string_split(
      replace(
        CASE WHEN starts_with(address, '::') THEN '0' ELSE '' END
        || lower(address)
        || CASE WHEN ends_with(address, '::') THEN '0' ELSE '' END,
        '::',
        ':' || repeat(
          '0:', 8 - CAST(length(address) - length(replace(address, ':', '')) AS INTEGER)
        )
      ),
      ':'
    ),
    lambda digits: lpad(digits, 4, '0')
  ),
  lambda before, digits: before || digits
);

CREATE OR REPLACE MACRO address_digits(address) AS
CASE WHEN contains(address, '.')
  THEN hexadecimal_digits(
    regexp_extract(address, '^.*:') || two_groups(regexp_extract(address, '[0-9.]+$'))
  )
  ELSE hexadecimal_digits(address)
END;

-- The groups of 32 digits between colons, ':2001:0db8:...:0001:', and without leading
-- zeros, ':2001:db8:...:1:'; then with the longest run of zero groups as '::'.
CREATE OR REPLACE MACRO padded_groups(digits) AS
':' || regexp_replace(digits, '(....)', '\1:', 'g');

CREATE OR REPLACE MACRO short_groups(digits) AS
regexp_replace(padded_groups(digits), ':0{1,3}', ':', 'g');

CREATE OR REPLACE MACRO compressed_groups(digits) AS
regexp_replace(
  short_groups(digits),
  ':(?:0:){' || coalesce(
    list_max(
      list_filter(
        [2, 3, 4, 5, 6, 7, 8],
        lambda run: contains(short_groups(digits), ':' || repeat('0:', run))
      )
    ),
    9
  ) || '}',
  '::'
);

-- The IPv4 address in an IPv6 address that carries one, as ':ffff:10.0.0.1'; else null.
CREATE OR REPLACE MACRO carried_ipv4(digits) AS
CASE WHEN starts_with(digits, '00000000000000000000ffff')
  THEN '::ffff:' || list_aggregate(
    list_transform(
      [25, 27, 29, 31],
      lambda place: CAST(CAST('0x' || substr(digits, place, 2) AS INTEGER) AS VARCHAR)
    ),
    'string_agg', '.'
  )
END;

CREATE OR REPLACE MACRO ungrouped(groups) AS
regexp_replace(regexp_replace(groups, '^:([^:])', '\1'), '([^:]):$', '\1');

CREATE OR REPLACE MACRO ipv6_spellings(addresses) AS
flatten(
  list_transform(
    flatten(
      list_transform(
        list_transform(addresses, lambda address: address_digits(address)),
        lambda digits: [
          compressed_groups(digits), short_groups(digits), padded_groups(digits),
          carried_ipv4(digits)
        ]
      )
    ),
    lambda groups: [ungrouped(groups), upper(ungrouped(groups))]
  )
);

-- Addresses in every spelling that flow logs are known to use, for `IN`: a list of
-- constants is made while the query is planned and reads by Bloom filter, which a
-- function of the column would not. IPv6 is compressed, without leading zeros or full,
-- in lower or upper case; IPv4 has one spelling.
CREATE OR REPLACE MACRO address_spellings(addresses) AS
list_distinct(
  list_concat(
    list_filter(addresses, lambda address: NOT contains(address, ':')),
    ipv6_spellings(list_filter(addresses, lambda address: contains(address, ':')))
  )
);

-- The texts of one octet whose first bits are fixed: (?:16|17|...|31)
CREATE OR REPLACE MACRO octet_pattern(octet, bits) AS
'(?:' || list_aggregate(
  list_transform(
    range(
      octet // (1 << (8 - bits)) * (1 << (8 - bits)),
      (octet // (1 << (8 - bits)) + 1) * (1 << (8 - bits))
    ),
    lambda value: CAST(value AS VARCHAR)
  ),
  'string_agg', '|'
) || ')';

-- What the text of every address in an IPv4 network begins with, and of no other.
CREATE OR REPLACE MACRO ipv4_pattern(address, bits) AS
list_aggregate(
  list_transform(
    range(1, (bits + 7) // 8 + 1),
    lambda place: octet_pattern(
      CAST(split_part(address, '.', CAST(place AS INTEGER)) AS INTEGER),
      least(8, bits - 8 * (CAST(place AS INTEGER) - 1))
    ) || CASE WHEN place = 4 THEN '$' ELSE '[.]' END
  ),
  'string_agg', ''
);

-- What the digits of every address in an IPv6 network begin with, and of no other.
CREATE OR REPLACE MACRO ipv6_pattern(digits, bits) AS
left(digits, bits // 4)
|| CASE WHEN bits % 4 = 0 THEN ''
  ELSE '[' || substr(
    '0123456789abcdef',
    (strpos('0123456789abcdef', substr(digits, bits // 4 + 1, 1)) - 1)
    // (1 << (4 - bits % 4)) * (1 << (4 - bits % 4)) + 1,
    1 << (4 - bits % 4)
  ) || ']'
  END;

-- The patterns of the CIDRs of one family. A macro's argument is copied to each place
-- that names it and planned there, a lambda's is not: so each step is a lambda.
CREATE OR REPLACE MACRO ipv4_patterns(networks) AS
list_transform(
  list_transform(
    list_filter(networks, lambda network: NOT contains(network, ':')),
    lambda network: {
      address: split_part(network, '/', 1), bits: CAST(split_part(network, '/', 2) AS INTEGER)
    }
  ),
  lambda network: coalesce(ipv4_pattern(network.address, network.bits), '')
);

CREATE OR REPLACE MACRO ipv6_patterns(networks) AS
list_transform(
  list_transform(
    list_transform(
      list_filter(networks, lambda network: contains(network, ':')),
      lambda network: {
        address: split_part(network, '/', 1), bits: CAST(split_part(network, '/', 2) AS INTEGER)
      }
    ),
    lambda network: {digits: address_digits(network.address), bits: network.bits}
  ),
  lambda network: ipv6_pattern(network.digits, network.bits)
);

-- One pattern for all; the empty text matches no address.
CREATE OR REPLACE MACRO any_pattern(patterns) AS
'^(?:' || list_aggregate(list_concat(patterns, ['$']), 'string_agg', '|') || ')';

-- Whether an address, IPv4 or IPv6, lies in any of the CIDRs; constant CIDRs are made
-- into one pattern while the query is planned.
CREATE OR REPLACE MACRO in_networks(address, networks) AS
CASE WHEN contains(address, ':')
  THEN regexp_matches(address_digits(address), any_pattern(ipv6_patterns(networks)))
  ELSE regexp_matches(address, any_pattern(ipv4_patterns(networks)))
END;

-- How long ago a relative time such as '24h' is; 'now' is no time ago.
CREATE OR REPLACE MACRO time_ago(given) AS
CASE right(given, 1)
  WHEN 'd' THEN to_days(coalesce(TRY_CAST(left(given, -1) AS INTEGER), 0))
  WHEN 'h' THEN to_hours(coalesce(TRY_CAST(left(given, -1) AS BIGINT), 0))
  ELSE to_minutes(coalesce(TRY_CAST(left(given, -1) AS BIGINT), 0))
END;

-- A time as people write it: of UTC, unless it names a zone behind its date. DuckDB
-- before 2.0 reads no zone where seconds are left out.
CREATE OR REPLACE MACRO moment(given) AS
CASE WHEN regexp_matches(CAST(given AS VARCHAR), '[Tt ].*[A-Za-z+-]')
  THEN CAST(
    regexp_replace(
      CAST(given AS VARCHAR), '([Tt ][0-9]{2}:[0-9]{2})([^:0-9])', '\1:00\2'
    ) AS TIMESTAMPTZ
  )
  ELSE CAST(given AS TIMESTAMP) AT TIME ZONE 'UTC'
END;

-- A window's ends as people write them; relative ones snap outward to the hour, of UTC
-- whatever the client's time zone.
CREATE OR REPLACE MACRO window_start(given) AS
CASE
  WHEN CAST(given AS VARCHAR) = 'today' THEN date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
  WHEN CAST(given AS VARCHAR) = 'yesterday' THEN date_trunc('day', now() AT TIME ZONE 'UTC' - INTERVAL 1 DAY) AT TIME ZONE 'UTC'
  WHEN regexp_full_match(CAST(given AS VARCHAR), '[0-9]{1,6}[mhd]|now')
  THEN date_trunc(
    'hour', now() AT TIME ZONE 'UTC' - time_ago(CAST(given AS VARCHAR))
  ) AT TIME ZONE 'UTC'
  ELSE moment(given)
END;

CREATE OR REPLACE MACRO window_end(given) AS
CASE
  WHEN CAST(given AS VARCHAR) = 'today' THEN date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
  WHEN CAST(given AS VARCHAR) = 'yesterday' THEN date_trunc('day', now() AT TIME ZONE 'UTC' - INTERVAL 1 DAY) AT TIME ZONE 'UTC'
  WHEN regexp_full_match(CAST(given AS VARCHAR), '[0-9]{1,6}[mhd]|now')
  THEN date_trunc(
    'hour',
    now() AT TIME ZONE 'UTC' - time_ago(CAST(given AS VARCHAR))
    + INTERVAL 1 HOUR - INTERVAL 1 MICROSECOND
  ) AT TIME ZONE 'UTC'
  ELSE moment(given)
END;

-- What a flow log tells of its observer, else what is known of the observer's own side.
CREATE OR REPLACE MACRO of_observer(logged, direction, src, dst) AS
coalesce(logged, CASE direction WHEN 'ingress' THEN dst WHEN 'egress' THEN src END);

-- Below: for people who write SQL, by these names; the rest above serves reports.

-- What the text of an IPv4 address looks like, octet by octet: no leading zeros.
CREATE OR REPLACE MACRO ipv4_text() AS
replace(
  '(?:O[.]){3}O', 'O', '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
);

-- What the text of an IPv6 address looks like (RFC 3986, IPv6address), H four digits.
CREATE OR REPLACE MACRO ipv6_text() AS
replace(
  replace(
    '(?:H:){6}L|::(?:H:){5}L|(?:H)?::(?:H:){4}L|(?:(?:H:){0,1}H)?::(?:H:){3}L'
    || '|(?:(?:H:){0,2}H)?::(?:H:){2}L|(?:(?:H:){0,3}H)?::H:L|(?:(?:H:){0,4}H)?::L'
    || '|(?:(?:H:){0,5}H)?::H|(?:(?:H:){0,6}H)?::',
    'L',
    '(?:H:H|' || ipv4_text() || ')'
  ),
  'H',
  '[0-9A-Fa-f]{1,4}'
);

-- A valid IPv6 address as 32 hexadecimal digits: '::' becomes as many zero groups as
-- eight need, what is dotted at the end is two of them.
CREATE OR REPLACE MACRO ipv6_digits(address) AS
array_to_string(
  list_transform(
    string_split(
      replace(
        CASE WHEN starts_with(address, '::') THEN '0' ELSE '' END
        || CASE WHEN contains(address, '.')
          THEN regexp_extract(address, '.*:') || two_groups(regexp_extract(address, '[^:]*$'))
          ELSE address
        END
        || CASE WHEN ends_with(address, '::') THEN '0' ELSE '' END,
        '::',
        ':' || repeat(
          '0:',
          8 - CAST(length(address) - length(replace(address, ':', '')) AS INTEGER)
          - CAST(contains(address, '.') AS INTEGER)
        )
      ),
      ':'
    ),
    lambda part: lpad(part, 4, '0')
  ),
  ''
);

-- address_number(address): an address as a number, to sort by; null if it is none. An
-- IPv4 address is that of its IPv6 spelling, ::ffff:10.0.0.1.
CREATE OR REPLACE MACRO address_number(address) AS
CASE
  WHEN regexp_full_match(address, ipv4_text())
    THEN CAST(
      list_dot_product(
        CAST(string_split(address, '.') AS DOUBLE[]),
        CAST([16777216, 65536, 256, 1] AS DOUBLE[])
      ) AS UHUGEINT
    ) + CAST(281470681743360 AS UHUGEINT)
  WHEN regexp_full_match(address, ipv6_text())
    THEN CAST(CAST(unhex(ipv6_digits(address)) AS BIT) AS UHUGEINT)
END;

-- How many bits a CIDR leaves free, of one address none; null if its length is none.
CREATE OR REPLACE MACRO free_bits(cidr) AS
CAST(
  CASE
    WHEN NOT contains(cidr, '/') THEN 0
    WHEN contains(cidr, ':') AND regexp_full_match(cidr, '[^/]*/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9])')
      THEN 128 - CAST(split_part(cidr, '/', 2) AS INTEGER)
    WHEN NOT contains(cidr, ':') AND regexp_full_match(cidr, '[^/]*/(?:3[0-2]|[12]?[0-9])')
      THEN 32 - CAST(split_part(cidr, '/', 2) AS INTEGER)
  END AS UHUGEINT
);

CREATE OR REPLACE MACRO fixed_bits(cidr) AS
address_number(split_part(cidr, '/', 1)) >> free_bits(cidr);

-- in_cidr(address, cidr): whether an address lies in a CIDR, each in any spelling; null
-- if the address is none, an error if the CIDR is none. One address is a CIDR too.
CREATE OR REPLACE MACRO in_cidr(address, cidr) AS
CASE
  WHEN cidr IS NOT NULL AND fixed_bits(cidr) IS NULL
    THEN error('in_cidr: ' || cidr || ' is no CIDR: write one such as 10.0.0.0/8 or fd00::/8')
  ELSE address_number(address) >> free_bits(cidr) = fixed_bits(cidr)
    -- An IPv4 address lies in none of IPv6 that is wider than all of IPv4.
    AND (
      free_bits(cidr) <= 32
      OR fixed_bits(cidr) <> CAST(281470681743360 AS UHUGEINT) >> free_bits(cidr)
      OR address_number(address) >> CAST(32 AS UHUGEINT) <> 65535
    )
END;

-- is_private(address): whether it is private (RFC 1918, RFC 6598's 100.64.0.0/10, IPv6
-- unique local fc00::/7), loopback or link-local; null if it is no address.
CREATE OR REPLACE MACRO is_private(address) AS
CASE
  WHEN regexp_full_match(address, ipv4_text())
    THEN regexp_matches(
      address,
      '^(?:10|127|169[.]254|172[.](?:1[6-9]|2[0-9]|3[01])|192[.]168'
      || '|100[.](?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]))[.]'
    )
  WHEN regexp_full_match(address, ipv6_text())
    THEN regexp_matches(
      lower(ipv6_digits(address)),
      '^(?:f[cd]|fe[89ab]|0{31}1|0{20}ffff(?:0a|7f|a9fe|ac1|c0a8|64[4-7]))'
    )
END;

-- tcp_flag_names(flags): the names of the TCP flags whose bits are set, as a list.
CREATE OR REPLACE MACRO tcp_flag_names(flags) AS
CASE WHEN flags IS NOT NULL
  THEN list_filter(
    ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'],
    lambda name, place: (flags >> CAST(place - 1 AS INTEGER)) & 1 = 1
  )
END;

-- protocol_name(number): IANA's keyword in lower case, icmpv6 as AWS spells it; null if
-- none is assigned. As of November 2026: where there is no keyword, the description.
CREATE OR REPLACE MACRO protocol_name(number) AS
CASE WHEN number >= 0
  THEN [
    'hopopt', 'icmp', 'igmp', 'ggp', 'ipv4', 'st', 'tcp', 'cbt', 'egp', 'igp', 'bbn-rcc-mon',
    'nvp-ii', 'pup', 'argus', 'emcon', 'xnet', 'chaos', 'udp', 'mux', 'dcn-meas', 'hmp', 'prm',
    'xns-idp', 'trunk-1', 'trunk-2', 'leaf-1', 'leaf-2', 'rdp', 'irtp', 'iso-tp4', 'netblt',
    'mfe-nsp', 'merit-inp', 'dccp', '3pc', 'idpr', 'xtp', 'ddp', 'idpr-cmtp', 'tp++', 'il',
    'ipv6', 'sdrp', 'ipv6-route', 'ipv6-frag', 'idrp', 'rsvp', 'gre', 'dsr', 'bna', 'esp', 'ah',
    'i-nlsp', 'swipe', 'narp', 'min-ipv4', 'tlsp', 'skip', 'icmpv6', 'ipv6-nonxt', 'ipv6-opts',
    'any host internal protocol', 'cftp', 'any local network', 'sat-expak', 'kryptolan', 'rvd',
    'ippc', 'any distributed file system', 'sat-mon', 'visa', 'ipcv', 'cpnx', 'cphb', 'wsn',
    'pvp', 'br-sat-mon', 'sun-nd', 'wb-mon', 'wb-expak', 'iso-ip', 'vmtp', 'secure-vmtp',
    'vines', 'iptm', 'nsfnet-igp', 'dgp', 'tcf', 'eigrp', 'ospfigp', 'sprite-rpc', 'larp',
    'mtp', 'ax.25', 'ipip', 'micp', 'scc-sp', 'etherip', 'encap',
    'any private encryption scheme', 'gmtp', 'ifmp', 'pnni', 'pim', 'aris', 'scps', 'qnx',
    'a/n', 'ipcomp', 'snp', 'compaq-peer', 'ipx-in-ip', 'vrrp', 'pgm', 'any 0-hop protocol',
    'l2tp', 'ddx', 'iatp', 'stp', 'srp', 'uti', 'smp', 'sm', 'ptp', 'isis over ipv4', 'fire',
    'crtp', 'crudp', 'sscopmce', 'iplt', 'sps', 'pipe', 'sctp', 'fc', 'rsvp-e2e-ignore',
    'mobility header', 'udplite', 'mpls-in-ip', 'manet', 'hip', 'shim6', 'wesp', 'rohc',
    'ethernet', 'aggfrag', 'nsh', 'homa'
  ][CAST(number AS INTEGER) + 1]
END;

-- traffic_path_name(code): which way packets left the VPC, by AWS's traffic-path code.
CREATE OR REPLACE MACRO traffic_path_name(code) AS
CASE code
  WHEN 1 THEN 'same VPC'
  WHEN 2 THEN 'internet gateway or gateway endpoint'
  WHEN 3 THEN 'virtual private gateway'
  WHEN 4 THEN 'peering within the Region'
  WHEN 5 THEN 'peering between Regions'
  WHEN 6 THEN 'Local Zone or Wavelength Zone'
  WHEN 7 THEN 'gateway endpoint'
  WHEN 8 THEN 'internet gateway'
END;

-- Where users bring databases of them (FLOWLAKE_MMDB), these look there instead.
-- country_of(address): the ISO code of its country, by your MaxMind DB files.
CREATE OR REPLACE MACRO country_of(address) AS CAST(NULL AS VARCHAR);

-- as_number_of(address): the number of its autonomous system, by your MaxMind DB files.
CREATE OR REPLACE MACRO as_number_of(address) AS CAST(NULL AS BIGINT);

-- as_name_of(address): who runs its autonomous system, by your MaxMind DB files.
CREATE OR REPLACE MACRO as_name_of(address) AS CAST(NULL AS VARCHAR);
