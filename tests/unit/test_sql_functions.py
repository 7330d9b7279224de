"""The functions for people who write SQL, against Python's own idea of addresses."""

import ipaddress
import re

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from queries.database import script
from queries.shell.vocabulary import load_helpers

PRIVATE = [
    ipaddress.ip_network(cidr)
    for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
                 "127.0.0.0/8", "169.254.0.0/16", "fc00::/7", "fe80::/10", "::1/128")
]  # fmt: skip
EDGES = [0, 1, 2**31, 2**32 - 1, 2**32, 2**64, 2**96, 2**127, 2**128 - 1,
         0xFFFF << 32, (0xFFFF << 32) - 1, 1 << 48]  # fmt: skip
# Each example is many rows: planning a statement costs more than running it.
few = settings(max_examples=10)


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as opened:
        for statement in script("functions.sql"):
            opened.execute(statement)
        yield opened


def ask(database, sql, **parameters):
    return [row[0] for row in database.execute(sql, parameters).fetchall()]


def plain(address):
    """Return an address as what it is: what is mapped is IPv4."""
    return getattr(address, "ipv4_mapped", None) or address


def network(text):
    found = ipaddress.ip_network(text, strict=False)
    inner = getattr(found.network_address, "ipv4_mapped", None)
    if inner is None or found.prefixlen < 96:
        return found
    return ipaddress.ip_network(f"{inner}/{found.prefixlen - 96}", strict=False)


def lies_in(address, cidr):
    own, theirs = plain(ipaddress.ip_address(address)), network(cidr)
    return own.version == theirs.version and own in theirs


def spellings(number):
    """Give texts of one IPv6 address: short, whole, dotted, partly zeros."""
    address = ipaddress.IPv6Address(number)
    groups = address.exploded.split(":")
    tail = str(ipaddress.IPv4Address(number & 0xFFFF_FFFF))
    yield address.compressed
    yield address.exploded
    yield ":".join(group.lstrip("0") or "0" for group in groups)
    yield ":".join([*groups[:6], tail])
    if number >> 64 == 0:
        yield f"::{groups[4]}:{groups[5].lstrip('0') or '0'}:{tail}"


numbers = st.one_of(
    st.sampled_from(EDGES),
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**32 - 1).map(lambda n: n | 0xFFFF << 32),
    st.builds(lambda base, n: min(base + n, 2**128 - 1), st.sampled_from(EDGES),
              st.integers(0, 300)),
)  # fmt: skip
cased = st.sampled_from([str.lower, str.upper])
v6_texts = st.builds(lambda n, case, i: case([*spellings(n)][i % 4]),
                     numbers, cased, st.integers(0, 3))  # fmt: skip
v4_texts = st.one_of(
    st.integers(0, 2**32 - 1),
    st.sampled_from([int(n.network_address) for n in PRIVATE if n.version == 4]),
    st.sampled_from([int(n.broadcast_address) + 1 for n in PRIVATE if n.version == 4]),
).map(lambda n: str(ipaddress.IPv4Address(n)))
texts = st.one_of(v4_texts, v6_texts)


@st.composite
def pairs(draw):
    """Draw an address, and a CIDR that is often near to it."""
    address = draw(texts)
    near = ipaddress.ip_address(address)
    base = draw(st.one_of(st.just(near), texts.map(ipaddress.ip_address)))
    bits = draw(st.integers(0, base.max_prefixlen))
    step = draw(st.sampled_from([0, 0, 1, -1])) << max(base.max_prefixlen - bits, 0)
    moved = max(0, min(int(base) + step, 2**base.max_prefixlen - 1))
    text = str(type(base)(moved))
    return address, draw(cased)(f"{text}/{bits}")


@few
@given(st.lists(pairs(), min_size=30, max_size=60))
@example([("::ffff:10.0.0.1", "10.0.0.0/8"), ("10.0.0.1", "::ffff:a00:0/104"),
          ("10.0.0.1", "::/0"), ("::ffff:10.0.0.1", "::/0"), ("::", "::/0"),
          ("10.0.0.1", "::ffff:0:0/95"), ("::fffe:0:0", "::ffff:0:0/95"),
          ("0.0.0.1", "0.0.0.0/0"), ("10.0.0.2", "10.0.0.1/30"),
          ("255.255.255.255", "255.255.255.255/32")])  # fmt: skip
def test_in_cidr_of_two_columns_says_what_python_says(database, drawn):
    found = ask(
        database,
        "SELECT in_cidr(a, n) FROM (SELECT unnest($a) AS a, unnest($n) AS n)",
        a=[address for address, _ in drawn],
        n=[cidr for _, cidr in drawn],
    )
    assert found == [lies_in(address, cidr) for address, cidr in drawn]


@few
@given(st.lists(texts, min_size=10, max_size=40), pairs())
def test_in_cidr_of_one_cidr_says_what_python_says(database, addresses, pair):
    address, cidr = pair
    asked = [address, *addresses]
    found = ask(
        database, "SELECT in_cidr(a, $n) FROM (SELECT unnest($a) AS a)", a=asked, n=cidr
    )
    assert found == [lies_in(one, cidr) for one in asked]


@few
@given(st.lists(numbers, min_size=5, max_size=10, unique=True))
def test_each_spelling_of_an_address_is_that_address(database, drawn):
    asked = [
        (case(text), number)
        for number in drawn
        for text in spellings(number)
        for case in (str.lower, str.upper)
    ]
    texts = [text for text, _ in asked]
    sql = "SELECT address_number(a) FROM (SELECT unnest($a) AS a)"
    assert ask(database, sql, a=texts) == [number for _, number in asked]
    sql = "SELECT in_cidr(a, $n) FROM (SELECT unnest($a) AS a)"
    wanted = [number == drawn[0] for _, number in asked]
    assert ask(database, sql, a=texts, n=texts[0]) == wanted


@few
@given(st.lists(texts, min_size=20, max_size=40))
@example([text for net in PRIVATE for text in
          (str(net[0]), str(net[-1]), str(net[0] - 1), str(net[-1] + 1),
           *([f"::ffff:{net[0]}"] if net.version == 4 else []))])  # fmt: skip
def test_private_is_what_lies_in_one_of_the_ranges(database, addresses):
    found = ask(
        database, "SELECT is_private(a) FROM (SELECT unnest($a) AS a)", a=addresses
    )
    assert found == [any(lies_in(a, str(net)) for net in PRIVATE) for a in addresses]


@few
@given(st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=30, unique=True))
def test_addresses_sort_by_their_number(database, drawn):
    texts = [str(ipaddress.IPv4Address(number)) for number in drawn]
    sql = "SELECT a FROM (SELECT unnest($a) AS a) ORDER BY address_number(a)"
    assert ask(database, sql, a=texts) == [
        str(ipaddress.IPv4Address(number)) for number in sorted(drawn)
    ]


@st.composite
def nearly(draw):
    """Draw the text of an address with one slip in it, if any."""
    text = draw(texts)
    at = draw(st.integers(0, len(text)))
    middle = draw(st.text("0123456789abfFgG:./%- +x", max_size=3))
    return text[:at] + middle + text[at + draw(st.integers(0, 2)) :]


def is_address(text):
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # a scope is the host's own matter, and in no log


@few
@given(st.lists(nearly(), min_size=30, max_size=60))
@example(["", ":", "::", ":::", "1::2::3", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
          "1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "12345::", ":1::",
          "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "::1.2.3.256",
          "1.2.3.4::", "::1.2.3.4:5", "01.2.3.4", "1.2.3", "1.2.3.4.5", "1.2.3.4.",
          "256.1.1.1", "1.2.3.4/8", "fe80::1%eth0", "-", "10.0.0.1\n"])  # fmt: skip
def test_what_is_no_address_is_null_to_each_function(database, drawn):
    wanted = [is_address(text) for text in drawn]
    calls = ("address_number(a)", "is_private(a)", "in_cidr(a, 'fd00::/8')")
    told = ", ".join(f"{call} IS NOT NULL" for call in calls)
    sql = f"SELECT [{told}] FROM (SELECT unnest($a) AS a)"
    assert ask(database, sql, a=drawn) == [[one] * len(calls) for one in wanted]


def test_what_is_no_cidr_is_an_error_that_says_what_one_is(database):
    wrong = ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0/8", "",
             "fd00::/129", "fd00::/8/8", "/8", "ten", "10.0.0.0/255.0.0.0",
             "10.0.0.0 /8"]  # fmt: skip
    column = "SELECT in_cidr('10.0.0.1', n) FROM (SELECT unnest([$n]) AS n)"
    for sql, cidr in [*((column, cidr) for cidr in wrong),
                      ("SELECT in_cidr('10.0.0.1', $n)", wrong[0])]:  # fmt: skip
        with pytest.raises(duckdb.Error, match="is no CIDR: write one such as 10"):
            ask(database, sql, n=cidr)


def test_null_stays_null(database):
    for call in ("in_cidr(NULL, '10.0.0.0/8')", "in_cidr('10.0.0.1', NULL)",
                 "is_private(NULL)", "address_number(NULL)", "tcp_flag_names(NULL)",
                 "protocol_name(NULL)", "traffic_path_name(NULL)"):  # fmt: skip
        assert ask(database, f"SELECT {call}") == [None], call


def test_flags_are_named_by_their_bits(database):
    names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]
    for type_ in ("INTEGER", "BIGINT", "SMALLINT"):
        sql = f"SELECT tcp_flag_names(CAST(n AS {type_})) FROM range(256) AS all_of(n)"
        assert ask(database, sql) == [
            [name for bit, name in enumerate(names) if n >> bit & 1] for n in range(256)
        ]


def test_protocols_have_ianas_names(database):
    found = ask(database, "SELECT protocol_name(n) FROM range(-1, 257) AS all_of(n)")
    named = dict(zip(range(-1, 257), found, strict=True))
    known = {0: "hopopt", 1: "icmp", 2: "igmp", 4: "ipv4", 6: "tcp", 17: "udp",
             33: "dccp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah", 58: "icmpv6",
             60: "ipv6-opts", 88: "eigrp", 89: "ospfigp", 94: "ipip", 97: "etherip",
             103: "pim", 108: "ipcomp", 112: "vrrp", 115: "l2tp", 132: "sctp",
             136: "udplite", 137: "mpls-in-ip", 142: "rohc", 146: "homa"}  # fmt: skip
    assert {number: named[number] for number in known} == known
    assert {n for n, name in named.items() if name} == set(range(147))
    assert len(set(found)) == 148  # each its own, and null


def test_traffic_paths_have_names(database):
    found = ask(database, "SELECT traffic_path_name(n) FROM range(10) AS all_of(n)")
    assert found[0] is None
    assert found[9] is None
    assert len(set(found[1:9])) == 8
    assert found[8] == "internet gateway"


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/New_York"])
def anywhere(database, request):
    database.execute(f"SET TimeZone = '{request.param}'")
    yield database
    database.execute("RESET TimeZone")


@pytest.mark.parametrize("end", ["window_start", "window_end"])
def test_a_window_is_of_utc_wherever_the_client_is(anywhere, end):
    wanted = {"2026-01-31": "2026-01-31 00:00:00",
              "2026-01-31T12:30": "2026-01-31 12:30:00",
              "2026-01-31T12:30Z": "2026-01-31 12:30:00",
              "2026-01-31T12:30:15Z": "2026-01-31 12:30:15",
              "2026-01-31 12:30+02": "2026-01-31 10:30:00",
              "2026-01-31 12:30:00-05:00": "2026-01-31 17:30:00"}  # fmt: skip
    utc = f"{end}(t) AT TIME ZONE 'UTC'"
    told = f"SELECT CAST({utc} AS VARCHAR) FROM (SELECT unnest($t) AS t)"
    assert ask(anywhere, told, t=list(wanted)) == list(wanted.values())
    whole = f"SELECT date_trunc('hour', {utc}) = {utc} FROM (SELECT unnest($t) AS t)"
    assert ask(anywhere, whole, t=["now", "24h", "7d", "90m"]) == [True] * 4
    near = f"SELECT abs(epoch({end}(t)) - epoch(now()) + s) <= 3600 " \
        "FROM (SELECT unnest($t) AS t, unnest($s) AS s)"  # fmt: skip
    assert ask(anywhere, near, t=["now", "24h"], s=[0, 24 * 3600]) == [True] * 2


def test_the_functions_for_people_are_told_apart_by_their_comments():
    found = load_helpers()
    assert list(found) == ["address_number", "in_cidr", "is_private", "tcp_flag_names",
                           "protocol_name", "traffic_path_name", "country_of",
                           "as_number_of", "as_name_of"]  # fmt: skip
    for helper in found.values():
        assert helper.meaning.endswith("."), helper
        assert re.fullmatch(r"\w+\(\w+(, \w+)*\)", helper.call)
