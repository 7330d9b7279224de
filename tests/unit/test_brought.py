"""Lists that users bring: read whole or refused, and joined as the CIDRs say."""

import ipaddress
from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.job import Ingest, Request
from lake.errors import NotBrought, QueryError, SettingsError
from lake.settings import load_settings
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.engine import Engine
from queries.indicators import NIBBLE, beginnings, load_indicators
from queries.sqldoor import SqlDoor
from tests.lakes import open_lake
from tests.plain_sums import dice_of
from tests.samples import WINDOW

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BEGIN = 1767225600
REPORT = "indicators"


@pytest.fixture
def listed(tmp_path):
    def write(text):
        file = tmp_path / "list.txt"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return write


def rows(path):
    return load_indicators(path).table.to_pylist()


def test_a_list_has_addresses_cidrs_labels_and_comments(listed):
    text = (
        "\ufeffIndicator,label\r\n# feed of today\n\n 203.0.113.7 ,scanner\n"
        '10.0.0.0/8,"a, b"\n2001:DB8::/32  # of ours\n::ffff:192.0.2.1\n203.0.113.7\n'
        "203.0.113.7,scanner\n"
    )
    found = [(r["indicator"], r["label"], r["bits"]) for r in rows(listed(text))]
    assert found == [
        ("203.0.113.7", "scanner", 32),
        ("10.0.0.0/8", "a, b", 8),
        ("2001:DB8::/32", None, 32),
        ("::ffff:192.0.2.1", None, 32),
        ("203.0.113.7", None, 32),
    ]
    assert [r["family"] for r in rows(listed(text))] == [4, 4, 6, 4, 4]


def test_lines_that_are_neither_are_named(listed):
    lines = ["192.0.2.1", "example.org", "10.0.0.0/33", "10.1.1", "a", "b", "c", "d"]
    with pytest.raises(SettingsError) as caught:
        load_indicators(listed("\n".join(lines)))
    assert "lines 2, 3, 4, 5, 6 and 2 more" in str(caught.value)
    assert "list.txt" in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "indicator,label\n"])
def test_a_list_of_nothing_is_refused(listed, text):
    with pytest.raises(SettingsError, match="nothing is listed"):
        load_indicators(listed(text))


@pytest.mark.parametrize("content", [None, b"\xff\xfe1"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    file = tmp_path / "list.bin"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"FLOWLAKE_INDICATORS: .*list.bin"):
        load_indicators(str(file))


@given(st.ip_addresses(), st.integers(0, 128), st.integers(0, 127))
def test_an_address_lies_in_a_cidr_if_one_of_its_beginnings_is_a_row(
    address, prefix, other
):
    width = address.max_prefixlen
    prefix = min(prefix, width)
    network = ipaddress.ip_network((address, prefix), strict=False)
    near = type(address)(int(address) ^ (1 << min(other, width - 1)))
    found = set(beginnings(network))
    assert all(bits % NIBBLE == 0 for bits, _ in found)
    assert len(found) <= (2 ** (NIBBLE - 1) if prefix else 2**NIBBLE)
    for one in (address, near):
        keys = {(bits, key_of(one, bits)) for bits, _ in found}
        assert bool(keys & found) == (one in network)


def key_of(address, bits):
    """Return an address's beginning as the report makes it."""
    number = int(address)
    if address.version == 4:
        return str(number - number % 2 ** (32 - bits))
    return f"{number:032x}"[: bits // NIBBLE]


def spelled(dice, address):
    """Return an address in one of the spellings that flow logs have."""
    if address.version == 4:
        return str(address)
    short = ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))
    return dice.choice([str(address), address.exploded, short, str(address).upper()])


@pytest.fixture(scope="module")
def knocked(tmp_path_factory):
    """A lake of random addresses, and the texts of their indicators."""
    dice = dice_of(11)
    place = tmp_path_factory.mktemp("knocked")
    low = [ipaddress.IPv4Address(0x0B000000 + dice.getrandbits(12)) for _ in range(150)]
    high = [
        ipaddress.IPv6Address((0x20010DB8 << 96) + (dice.getrandbits(8) << part))
        for part in (0, 16, 64, 88, 92) for _ in range(30)
    ]  # fmt: skip
    lines = [
        f"2 123456789010 eni-1 {spelled(dice, a)} {own} 40000 22 6 1 40 {BEGIN + n} "
        f"{BEGIN + n} REJECT OK"
        for n, a in enumerate((*low, *high))
        for own in ["10.0.0.1" if a.version == 4 else "fd00::1"]
    ]
    head = (
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol "
        "packets bytes start end action log-status"
    )
    (place / "flows.log").write_text("\n".join([head, *lines]))
    networks = {
        ipaddress.ip_network((a, dice.randrange(20, 33)), strict=False)
        for a in dice.sample(low, 30)
    } | {
        ipaddress.ip_network((a, dice.choice([33, 40, 41, 64, 119, 128])), strict=False)
        for a in dice.sample(high, 30)
    }  # fmt: skip
    (place / "list.txt").write_text("\n".join(map(str, networks)))
    settings = load_settings(
        lake=str(place / "lake"), indicators=str(place / "list.txt")
    )
    with open_lake(settings) as lake:
        Ingest(lake, Request((str(place / "flows.log"),))).run()
    return settings, {*low, *high}, networks


def test_all_that_lies_in_a_cidr_is_found_and_nothing_else(knocked):
    settings, addresses, networks = knocked
    asked = WINDOW | {"limit": ["100000"], "by": ["address"]}
    with Engine(settings) as engine:
        found = answer(engine, pose(engine, find_report(REPORT), asked, now=NOW)).rows
    told = {
        (ipaddress.ip_network(r["indicator"]), ipaddress.ip_address(r["address"]))
        for r in found.to_pylist()
    }
    wanted = {
        (n, a) for n in networks for a in addresses
        if a.version == n.version and a in n
    }  # fmt: skip
    assert len(wanted) > 100
    assert told == wanted
    assert {r["side"] for r in found.to_pylist()} == {"client"}


def test_without_a_list_a_report_says_how_to_give_one(knocked):
    settings, *_ = knocked
    with Engine(load_settings(lake=settings.lake)) as engine:
        with pytest.raises(NotBrought, match="--indicators FILE"):
            pose(engine, find_report(REPORT), WINDOW, now=NOW)
        door = SqlDoor(engine, now=NOW)
        with (
            door.opened() as session,
            pytest.raises(QueryError, match="FLOWLAKE_INDICATORS"),
            session.stream("FROM indicators(since := '2026-01-01')") as reader,
        ):
            reader.read_all()


def test_sql_and_an_attached_database_have_the_list(knocked, tmp_path):
    settings, _, networks = knocked
    call = (
        "FROM indicators(since := '2026-01-01', until := '2026-01-02', by := 'address')"
    )
    with Engine(settings) as engine:
        door = SqlDoor(engine, now=NOW)
        with door.opened() as session, session.stream(call) as reader:
            ours = reader.read_all().to_pylist()
        door.write_database(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb"), read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        theirs = database.sql(call).to_arrow_table().to_pylist()
        listed = database.sql("SELECT DISTINCT indicator FROM indicators").fetchall()
    assert ours
    assert theirs == ours
    assert len(listed) == len(networks)


def test_answers_with_another_list_have_another_etag(knocked, listed):
    settings, *_ = knocked
    tags = set()
    for text in ("192.0.2.1", "192.0.2.2", "192.0.2.2,ours"):
        path = listed(text)
        with Engine(load_settings(lake=settings.lake, indicators=path)) as engine:
            tags.add(pose(engine, find_report(REPORT), WINDOW, now=NOW).etag)
    assert len(tags) == 3
