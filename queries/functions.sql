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

-- A window's ends as people write them; relative ones snap outward to the hour.
CREATE OR REPLACE MACRO window_start(given) AS
CASE
  WHEN CAST(given AS VARCHAR) = 'today' THEN date_trunc('day', now())
  WHEN CAST(given AS VARCHAR) = 'yesterday' THEN date_trunc('day', now()) - INTERVAL 1 DAY
  WHEN regexp_full_match(CAST(given AS VARCHAR), '[0-9]{1,6}[mhd]|now')
  THEN date_trunc('hour', now() - time_ago(CAST(given AS VARCHAR)))
  ELSE CAST(given AS TIMESTAMPTZ)
END;

CREATE OR REPLACE MACRO window_end(given) AS
CASE
  WHEN CAST(given AS VARCHAR) = 'today' THEN date_trunc('day', now())
  WHEN CAST(given AS VARCHAR) = 'yesterday' THEN date_trunc('day', now()) - INTERVAL 1 DAY
  WHEN regexp_full_match(CAST(given AS VARCHAR), '[0-9]{1,6}[mhd]|now')
  THEN date_trunc(
    'hour',
    now() - time_ago(CAST(given AS VARCHAR)) + INTERVAL 1 HOUR - INTERVAL 1 MICROSECOND
  )
  ELSE CAST(given AS TIMESTAMPTZ)
END;

-- What a flow log tells of its observer, else what is known of the observer's own side.
CREATE OR REPLACE MACRO of_observer(logged, direction, src, dst) AS
coalesce(logged, CASE direction WHEN 'ingress' THEN dst WHEN 'egress' THEN src END);
