"""Filters: read, written and compiled to what a plain evaluation of them says."""

import ipaddress
import itertools
import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowlake
import queries
from api.problems import problem_of
from lake.errors import FilterError
from lake.schema import FLOW_FIELDS, IDENTITY_FIELDS, TGW_FLOW_FIELDS
from lake.tables import TABLES
from queries.database import script
from queries.engine import empty_rows
from queries.filters import (
    FieldType,
    canonical,
    compiled,
    complete,
    fields_of,
    parse,
    types_of,
    validate,
)
from queries.filters.bounds import MAX_CIDRS, MAX_LENGTH, MAX_NESTING, MAX_TERMS
from queries.filters.fields import OPERATORS
from queries.filters.tree import (
    OPPOSITES,
    AllOf,
    AnyOf,
    Comparison,
    Not,
    all_of,
    any_of,
    compared,
    negated,
)

# A field of each type; some are called as macros call what they are given.
TYPES: dict[str, FieldType] = {
    "pod": "string",
    "flags": "int",
    "bytes": "long",
    "share": "double",
    "counted": "bool",
    "day": "date",
    "start_time": "timestamp",
    "groups": "strings",
    "address": "address",
    "dstport": "port",
    "protocol": "protocol",
}
TEXTS = ["", "web", "Web", "we_b", "web-1", "100%", "a\\b", "a\nb", '"', "it's",
         "x' OR 1=1; --", "$f0", "ü", "日本", "😀", "NULL", "\x01\u2028"]  # fmt: skip
# fmt: off
PATTERNS = ["", "%", "web", "web%", "%b", "_eb%", "__", "we\\_b", "100\\%", "a\\\\b",
            "%\n%", "%'%", '%"%', "%ü%", "_"]
ADDRESSES = ["10.0.0.1", "10.200.3.4", "192.168.1.1", "2001:db8::1", "::ffff:10.0.0.1",
             "fe80::1", "::", "2001:db8:8000::1"]
SPELLINGS = ["2001:DB8::1", "2001:db8:0:0:0:0:0:1", "::FFFF:10.0.0.1",
             "2001:0db8:0000:0000:0000:0000:0000:0001"]
NETWORKS = ["0.0.0.0/0", "10.0.0.0/8", "10.128.0.0/9", "192.168.1.1/32", "::/0",
            "2001:db8::/32", "2001:db8::/33", "fe80::1/128", "::ffff:a00:0/104"]
# fmt: on
POOLS: dict[str, list[Any]] = {
    "string": TEXTS,
    "int": [-(2**31), -1, 0, 1, 18, 2**31 - 1],
    "long": [-(2**63), 0, 1, 5_000_000_000, 2**63 - 1],
    "double": [-1.5, 0.0, 0.1, 1.0, 1e16, 1e-7],
    "bool": [True, False],
    "date": [date(2026, 1, 31), date(2026, 2, 1), date(1, 1, 1)],
    "timestamp": [
        datetime(2026, 1, 31, 12, tzinfo=UTC),
        datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
    ],
    "strings": TEXTS[1:6],
    "address": [str(ipaddress.ip_address(address)) for address in ADDRESSES],
    "port": [0, 443, 5432, 65_535],
    "protocol": [0, 1, 6, 17, 255],
}
STORED: dict[str, list[Any]] = {
    **{type_: pool for type_, pool in POOLS.items() if type_ != "strings"},
    "strings": [[], ["web"], ["web", "Web", "we_b"], ["web-1", None]],
    "address": [*ADDRESSES, *SPELLINGS],
}
ARROW = {
    "string": pa.string(),
    "int": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "strings": pa.list_(pa.string()),
    "address": pa.string(),
    "port": pa.int32(),
    "protocol": pa.int32(),
}
SCHEMA = pa.schema([(name, ARROW[type_]) for name, type_ in TYPES.items()])


def operands(type_, operator):
    """Return what may be compared with."""
    if operator.endswith("LIKE"):
        return PATTERNS
    return NETWORKS if operator.endswith("CIDR") else POOLS[type_]


@st.composite
def comparisons(draw):
    field, type_ = draw(st.sampled_from(list(TYPES.items())))
    operator = draw(st.sampled_from(OPERATORS[type_]))
    several = operator.endswith(("IN", "CIDR"))
    least, most = (0, 0) if operator.endswith("NULL") else (1, 4 if several else 1)
    value = st.sampled_from(operands(type_, operator))
    if type_ in ("string", "strings") and not operator.endswith("LIKE"):
        value |= st.text(st.characters(exclude_characters="\0", codec="utf-8"))
    values = draw(st.lists(value, min_size=least, max_size=most))
    return compared(field, type_, operator, values)


filters = st.recursive(
    comparisons(),
    lambda part: st.one_of(
        st.lists(part, min_size=1, max_size=3).map(all_of),
        st.lists(part, min_size=1, max_size=3).map(any_of),
        part.map(negated),
    ),
    max_leaves=6,
)


some_rows = st.lists(
    st.fixed_dictionaries(
        {name: st.sampled_from([None, *STORED[type_]]) for name, type_ in TYPES.items()}
    ),
    min_size=1,
    max_size=4,
)


# What a filter says, told once more and plainly.


def holds(filter_, row):
    if isinstance(filter_, Not):
        return not holds(filter_.part, row)
    if isinstance(filter_, AllOf):
        return all(holds(part, row) for part in filter_.parts)
    if isinstance(filter_, AnyOf):
        return any(holds(part, row) for part in filter_.parts)
    return compares(filter_, row[filter_.field])


def compares(comparison, stored):
    operator, values = comparison.operator, comparison.values
    if operator in ("!=", "NOT IN", "NOT LIKE", "NOT CIDR", "IS NOT NULL"):
        positive = OPPOSITES[operator]
        return not compares(Comparison("", comparison.type, positive, values), stored)
    if operator == "IS NULL" or stored is None:
        return operator == "IS NULL" and stored is None
    if operator == "LIKE":
        return re.fullmatch(like(values[0]), stored, re.DOTALL) is not None
    if operator == "CIDR":
        return any(
            ipaddress.ip_address(stored) in ipaddress.ip_network(v) for v in values
        )
    if operator in ("=", "IN"):
        return is_any(comparison.type, stored, values)
    return {
        "<": stored < values[0], "<=": stored <= values[0],
        ">": stored > values[0], ">=": stored >= values[0],
    }[operator]  # fmt: skip


def is_any(type_, stored, values):
    if type_ == "strings":
        return any(value in stored for value in values)
    if type_ == "address":
        return ipaddress.ip_address(stored) in map(ipaddress.ip_address, values)
    return stored in values


def like(pattern):
    parts = re.findall(r"\\(.)|([%_])|([^\\%_])", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return "".join(wild.get(w) or re.escape(e or c) for e, w, c in parts)


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        for sql in script("functions.sql"):
            opened.execute(sql)
        yield opened


def store(database, rows):
    given = [{**row, "number": i} for i, row in enumerate(rows)]
    schema = SCHEMA.append(pa.field("number", pa.int32()))
    database.register("given", pa.Table.from_pylist(given, schema=schema))
    database.execute("CREATE OR REPLACE TABLE stored AS FROM given")
    database.unregister("given")


def chosen(database, filter_):
    made = compiled(filter_)
    sql = f"SELECT number FROM stored WHERE {made.sql} ORDER BY number"
    found = database.execute(sql, made.parameters or None)
    return [number for (number,) in found.fetchall()]


@settings(max_examples=50)
@given(filters, some_rows)
def test_a_negation_is_true_of_the_other_rows(filter_, rows):
    for row in rows:
        assert holds(negated(filter_), row) is not holds(filter_, row)


@pytest.mark.parametrize(("field", "type_"), TYPES.items())
def test_every_operator_chooses_what_it_says(database, field, type_):
    rows = [{**dict.fromkeys(TYPES), field: value} for value in [None, *STORED[type_]]]
    store(database, rows)
    for operator in OPERATORS[type_]:
        for values in lists_of(type_, operator):
            comparison = compared(field, type_, operator, values)
            assert parse(canonical(comparison), TYPES) == comparison
            expected = [i for i, row in enumerate(rows) if holds(comparison, row)]
            assert chosen(database, comparison) == expected, comparison
            others = [i for i in range(len(rows)) if i not in expected]
            if operator != "CIDR":  # which takes 50 ms to plan
                assert chosen(database, Not(comparison)) == others, comparison


def lists_of(type_, operator):
    """Return what to compare with: each value, and lists where there may be."""
    if operator.endswith("NULL"):
        return [[]]
    pool = operands(type_, operator)
    lists = [pool[:3], pool[2:], pool] if operator.endswith(("IN", "CIDR")) else []
    return lists if operator == "NOT CIDR" else [*([value] for value in pool), *lists]


@settings(max_examples=100)
@given(filters, some_rows)
def test_sql_chooses_what_the_filter_says(database, filter_, rows):
    store(database, rows)
    expected = [i for i, row in enumerate(rows) if holds(filter_, row)]
    assert chosen(database, filter_) == expected


@given(filters)
def test_a_filter_is_read_again_from_its_text(filter_):
    assert parse(canonical(filter_), TYPES) == filter_


OURS = re.compile(
    r'"(?:{})"|\$f\d+|[()<>=!,\s]|\'\\\'|AND|OR|NOT|IN|IS|NULL|TRUE|LIKE|ESCAPE'
    r"|DISTINCT|FROM|in_networks|address_spellings|list_contains|list_has_any".format(
        "|".join(TYPES)
    )
)


@given(filters)
def test_sql_is_made_of_our_words_alone(filter_):
    made = compiled(filter_)
    assert OURS.sub("", made.sql) == ""
    names = re.findall(r"\$(f\d+)", made.sql)
    assert names == list(made.parameters)
    assert fields_of(filter_) == set(re.findall(r'"(\w+)"', made.sql))


def spelled(draw, text):
    """Write a filter's text in another way that says the same."""
    pieces = re.findall(r'"(?:[^"\\]|\\.)*"|[^\s"(),]+|[(),]', text)
    written = []
    for piece in pieces:
        if piece[0] == '"':
            if "'" not in piece and draw(st.booleans()):
                piece = "'" + piece[1:-1] + "'"
        elif piece.upper() == piece and draw(st.booleans()):
            piece = piece.lower()
        space = draw(st.sampled_from([" ", "  ", "\n\t"]))
        written.append(space + piece)
    return f"({''.join(written)} )"


@given(filters, st.data())
def test_case_space_quotes_and_parentheses_change_nothing(filter_, data):
    assert parse(spelled(data.draw, canonical(filter_)), TYPES) == filter_


WORDS = ["dstport", "pod", "address", "groups", "nobody", "=", "!=", "<", "!", "(", ")",
         ",", "AND", "or", "NOT", "IN", "LIKE", "CIDR", "IS", "NULL", "443", "99999",
         '"web"', '"10.0.0.0/8"', "'", '"', "\\", "tcp", "\0", "\ud800", '"\\ud800"',
         "İn", "i\u017f", "counted", "start_time",
         '"9999-12-31T23:00-05:00"']  # fmt: skip
texts = st.text() | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


@settings(max_examples=400)
@given(texts, st.integers(-2, 80))
def test_any_text_is_a_filter_or_an_error_at_a_place_in_it(text, position):
    complete(text, position, TYPES)
    error = validate(text, TYPES)
    if error is None:
        assert parse(canonical(parse(text, TYPES)), TYPES) == parse(text, TYPES)
    else:
        assert 0 <= error.position <= len(text)
        assert error.allowed in str(error)
        problem_of(error)


@given(filters, st.data())
def test_what_is_offered_can_stand_there(filter_, data):
    text = canonical(filter_)
    position = data.draw(st.integers(0, len(text)))
    begun = re.findall(r"""[^\s()=!<>,"']*$|[=!<>]+$""", text[:position])[0]
    for offered in complete(text, position, TYPES):
        written = text[:position].removesuffix(begun) + offered
        error = validate(written, TYPES)
        assert error is None or error.position == len(written), (written, str(error))


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 0, "expected a field, NOT or (, not the end"),
        ("  ", 0, "not the end"),
        ("dstport", 7, "after dstport: expected =, !=, <, <=, >, >=, IN"),
        ("dstport 443", 8, "IS NULL or IS NOT NULL, not 443"),
        ("dstport = ", 9, "after dstport =: expected a port from 0 to 65535"),
        ("dstport = 99999", 10, "dstport takes a port from 0 to 65535, not 99999"),
        ("dstport = -1", 10, "a port"),
        ("dstport = 1_0", 10, "a port"),
        ('dstport = "443"', 10, ": write 443"),
        ("dstport IN (1, x)", 15, "a port"),
        ("dstport IN ()", 12, "after (: expected a port"),
        ("dstport IN 1", 11, "after dstport IN: expected (, not 1"),
        ("dstport = 1 AND OR", 16, "after AND: expected a field"),
        ("(dstport = 1", 12, "after 1: expected AND, OR or )"),
        ("dstport = 1)", 11, "after 1: expected AND, OR or the end, not )"),
        (
            "dst_prt = 1",
            0,
            "no field is called dst_prt. Did you mean dst_port or dstport",
        ),
        ("nobody = 1 AND pod", 0, "There are pod, flags, bytes"),
        ("src_ip = 1", 0, "no field is called src_ip"),
        ("pod = web", 6, ': write "web"'),
        ("pod = null", 6, "expected text in quotes, not null: write pod IS NULL"),
        ('pod = "web', 6, "this quote is never closed"),
        ('pod = "a\0"', 6, "text in quotes"),
        ('pod = "a\\q"', 6, "a backslash goes before"),
        ('pod = "a\\_"', 6, "a backslash goes before"),
        ('pod CIDR "10.0.0.0/8"', 4, "expected =, !=, <, <=, >, >=, IN, NOT IN, LIKE"),
        ('address LIKE "10%"', 8, "not LIKE"),
        ('address NOT LIKE "10%"', 8, "not NOT LIKE"),
        ('address < "10.0.0.1"', 8, "expected =, !=, IN, NOT IN, CIDR"),
        ('address = "10.0.0.0/8"', 10, ': write address CIDR "10.0.0.0/8"'),
        ('address != "::/8"', 11, ': write address NOT CIDR "::/8"'),
        ('address = "10.0.0.256"', 10, "an IPv4 or IPv6 address"),
        ('address = "fe80::1%eth0"', 10, "an IPv4 or IPv6 address"),
        ('address CIDR "10.0.0.0/33"', 13, "a network in quotes"),
        ("counted NOT", 8, "expected =, !=, IS NULL or IS NOT NULL, not NOT"),
        ("counted = 1", 10, "true or false"),
        ("protocol = tpc", 11, "takes icmp, tcp, udp"),
        ("protocol = 256", 11, "takes icmp, tcp, udp"),
        ('start_time > "yesterday"', 13, "a time in quotes"),
        ('start_time > "0001-01-01T00:00+14:00"', 13, "a time in quotes"),
        ('day = "2026-02-30"', 6, "a day in quotes"),
        ("flags = 2147483648", 8, "a whole number from"),
        ("share = nan", 8, "a number"),
        ("share = 1e999", 8, "a number"),
    ],
)
def test_an_error_says_where_and_what_would_be_right(text, position, says):
    error = validate(text, TYPES)
    assert error is not None
    assert (error.position, says in str(error)) == (position, True), str(error)


def test_a_filter_has_bounds():
    at_most = "dstport IN (" + ", ".join(map(str, range(MAX_TERMS))) + ")"
    assert parse(at_most, TYPES) == compared("dstport", "port", "IN", range(MAX_TERMS))
    for text in (
        f"{at_most} OR counted = true",
        " OR ".join(["address CIDR '::/8'"] * (MAX_CIDRS + 1)),
        "(" * (MAX_NESTING + 1) + "dstport = 1",
        "NOT " * (MAX_NESTING + 1) + "dstport = 1",
        "NOT (" * 26 + "dstport = 1",
        f'pod = "{"x" * MAX_LENGTH}"',
        "pod = '" + "\x01" * 1_000 + "'",  # six times as long where it is written out
    ):
        assert "at most" in str(validate(text, TYPES))
    deep = MAX_NESTING // 2
    text = "NOT (flags < 1 OR " * deep + "flags < 2" + ")" * deep
    filter_ = parse(text, TYPES)
    assert parse(canonical(filter_), TYPES) == filter_


def test_the_most_networks_are_one_pattern(database):
    octets = itertools.product(range(10, 20), range(10))
    networks = [f"{a}.{b}.128.0/17" for a, b in octets]
    networks += [f"2001:db8:{a}::/47" for a in range(0, 200, 2)]
    text = f"address CIDR ({','.join(map(repr, networks))})"
    store(database, [{**dict.fromkeys(TYPES), "address": a} for a in ADDRESSES])
    filter_ = parse(text, TYPES)
    found = chosen(database, filter_)
    assert [ADDRESSES[i] for i in found] == ["2001:db8::1"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("src_ip = '10.0.0.1'", 'src_address IN ("10.0.0.1", "10.0.0.1")'),
        ("dst_port IN (2, 1)", "dstport IN (1,2)"),
        ("dst_address CIDR '10.9.9.9/8'", "dst_ip cidr ('10.0.0.0/255.0.0.0')"),
        ("dst_address = '2001:DB8:0::1'", "dst_address = '2001:db8::1'"),
        ("protocol = TCP", "protocol = 6"),
        ("NOT src_pod = 'a'", "src_pod != 'a'"),
        ("NOT NOT (bytes < 1)", "bytes < 1"),
        ("bytes < 1 OR (bytes > 2 OR bytes = 2)",
         "(bytes < 1 OR bytes > 2) OR bytes = 2"),
        ("src_port = 1 AND dst_port = 2", "srcport = 1 AND dstport = 2"),
        ("share = -0.0", "share = 0"),
        ("counted = TRUE AND (settled = false AND bytes > 1)",
         "counted = true AND settled = FALSE AND bytes > 1"),
        ("start_time >= '2026-01-31'", "start_time >= '2026-01-31T01:00+01:00'"),
        ("src_pod = 'it''s'", r"""src_pod = "it\u0027s" """),
        (r"src_pod = '\ud83d\ude00'", "src_pod = '😀'"),
        (r"src_pod LIKE '50\u0025'", r"src_pod LIKE '50\%'"),
    ],
)  # fmt: skip
def test_what_says_the_same_has_one_text(one, other):
    fields = {**types_of(FLOW_FIELDS), "share": TYPES["share"]}
    assert parse(one, fields) == parse(other, fields)
    assert canonical(parse(one, fields)) == canonical(parse(other, fields))


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("'50%'", "50%"),
        (r"'50\%'", r"50\%"),
        (r"'50\\%'", r"50\\%"),
        (r"'50\u0025'", r"50\%"),
        (r"'50\n\u005c'", "50\n\\\\"),
    ],
)
def test_a_backslash_in_a_pattern_is_one(text, pattern):
    parsed = parse(f"pod LIKE {text}", TYPES)
    assert parsed == compared("pod", "string", "LIKE", [pattern])


def test_a_canonical_text_reads_well():
    text = """src_namespace='payments' and not (dstport in (5432,3306) or bytes<1)
              and protocol=tcp and start_time >= '2026-01-31'"""
    assert canonical(parse(text, types_of(FLOW_FIELDS))) == (
        'src_namespace = "payments" AND NOT (dstport IN (3306, 5432) OR bytes < 1) '
        'AND protocol = 6 AND start_time >= "2026-01-31T00:00:00Z"'
    )


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("", [*sorted(TYPES), "NOT", "("]),
        ("d", ["day", "dstport"]),
        ("dstport", ["dstport"]),
        ("pod ", list(OPERATORS["string"])),
        ("pod n", ["NOT IN", "NOT LIKE"]),
        ("pod NOT ", ["IN", "LIKE"]),
        ("address NOT ", ["IN", "CIDR"]),
        ("pod is not ", ["NULL"]),
        ("pod <", ["<", "<="]),
        ("pod = ", []),
        ('pod = "d', []),
        ("counted = ", ["true", "false"]),
        ("protocol IN (t", ["tcp"]),
        ("pod IN ", ["("]),
        ('(pod = "a" ', ["AND", "OR", ")"]),
        ("nobody ", []),
        ("= ", []),
    ],
)
def test_what_may_be_typed_next_is_offered(text, offered):
    assert complete(text + "behind", len(text), TYPES) == offered


@pytest.mark.parametrize("fields", [FLOW_FIELDS, TGW_FLOW_FIELDS, IDENTITY_FIELDS])
def test_every_column_can_be_named(fields):
    for name, type_ in types_of(fields).items():
        filter_ = parse(f"{name} IS NULL", {name: type_})
        assert filter_ == compared(name, type_, "IS NULL", ())
    assert "extra" not in types_of(fields)


def test_a_name_may_begin_as_a_keyword_does():
    names = [
        "android",
        "order",
        "nothing",
        "input",
        "likes",
        "cidrs",
        "island",
        "nulls",
    ]
    text = " AND ".join(f"{name} = 1" for name in names)
    assert fields_of(parse(text, dict.fromkeys(names, TYPES["flags"]))) == set(names)


def test_every_operator_fits_every_column_of_flows(database):
    database.register("flows", empty_rows(TABLES["flows"]))
    for name, type_ in types_of(FLOW_FIELDS).items():
        parts = [
            compared(name, type_, operator, () if operator.endswith("NULL")
                     else operands(type_, operator)[-1:])
            for operator in OPERATORS[type_]
        ]  # fmt: skip
        made = compiled(any_of(parts))
        sql = f"SELECT 1 FROM flows WHERE {made.sql}"
        assert database.execute(sql, made.parameters).fetchall() == []


def test_a_name_is_an_identifier_whatever_it_is():
    assert compiled(parse('a = "b"', {"a": "string"})).sql == '"a" = $f0'
    made = compiled(compared('a" OR 1 = 1', "int", "IS NULL", ()))
    assert made.sql == '"a"" OR 1 = 1" IS NULL'


def test_a_problem_and_a_terminal_show_the_place(capsys):
    text = 'pod = "a"\nAND dstport = 99999'
    with pytest.raises(FilterError) as raised:
        parse(text, TYPES)
    body = json.loads(bytes(problem_of(raised.value).body))
    assert body["errors"][0]["position"] == 24
    assert (body["type"], body["status"]) == ("/docs#filter-error", 422)
    flowlake._tell(raised.value)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("flowlake: filter, at 24: dstport takes a port")
    assert said[1:] == ['pod = "a" AND dstport = 99999', " " * 24 + "^"]


def test_the_examples_of_the_page_are_filters():
    page = (Path(queries.__file__).parent / "README.md").read_text()
    section = page.split("## filter\n")[1].split("\n## ")[0]
    examples = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)[0].splitlines()
    fields = types_of(FLOW_FIELDS)
    assert len(examples) >= 6
    for example in examples:
        assert validate(example.split("  -- ")[0], fields) is None, example
