"""A limited principal sees what is its own, and of others kind, address and port."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ingest.rollup.follower import roll_up
from lake.errors import UnlimitedOnly
from lake.schema import SIDE_FIELDS
from lake.settings import load_settings
from lake.tables import FLOWS, batch_schema
from queries.answers import answer, pose
from queries.catalogue import find_report, load_catalogue
from queries.engine import Engine
from queries.formats import json_rows
from queries.limits import UNLIMITED, Limits
from tests.lakes import open_lake
from tests.plain_sums import dice_of, flow, put
from tests.samples import NEEDED

NOW = datetime(2026, 1, 3, tzinfo=UTC)
WINDOW = {"since": ["2026-01-01"], "until": ["2026-01-03"], "limit": ["10000"]}
OF_B = "of-b"
LIMITS = {
    "account": Limits(accounts=frozenset({"account-of-a"})),
    "vpc": Limits(vpcs=frozenset({"vpc-of-a"})),
    "namespace": Limits(namespaces=frozenset({"namespace-of-a"})),
    "namespace of a cluster": Limits(
        namespaces=frozenset({"cluster-of-a/namespace-of-a"})
    ),
    "both": Limits(
        accounts=frozenset({"account-of-a"}), namespaces=frozenset({"namespace-of-a"})
    ),
}
ENDS = {f.name.split("_", 1)[1] for f in SIDE_FIELDS}
SHOWN = {"kind", "address"}
# What tells of the observer's own side, by the names of the log.
OBSERVED = [
    f.name
    for f in FLOWS.fields
    if f.type == "string"
    and not f.name.startswith(("src_", "dst_", "pkt_"))
    and f.name not in ("action", "log_status", "type", "direction", "role", "scope",
                       "verdict", "initiator", "reject_cause", "srcaddr", "dstaddr")
]  # fmt: skip


def side(dice, prefix):
    """Return an end of a, of b or of nobody, each of whose texts says whose it is."""
    whose = dice.choice("ab-")
    found: dict[str, object]
    if whose == "-":
        found = {"kind": "internet"}
    else:
        texts = {n: f"{n}-of-{whose}" for n in ENDS - {"security_groups", *SHOWN}}
        found = {**texts, "kind": "pod", "security_groups": [f"sg-of-{whose}"]}
    address = f"10.0.0.{dice.randrange(6)}"
    return whose, {
        f"{prefix}_{k}": v for k, v in (found | {"address": address}).items()
    }


def record(dice, hour):
    src, source = side(dice, "src")
    dst, destination = side(dice, "dst")
    direction = dice.choice(["ingress", "egress", None])
    observer = {"ingress": dst, "egress": src, None: src}[direction]
    role = dice.choice([None, None, "transit"])
    if role == "transit":  # a gateway's, whoever the two ends are
        observer = dice.choice("ab")
    row = {k: v for k, v in flow(dice, hour, "s").items()
           if not k.startswith(("src_", "dst_"))}  # fmt: skip
    row |= {name: f"{name}-of-{observer}" for name in OBSERVED}
    interface = "gateway" if role == "transit" else "eni"
    row |= {"interface_id": f"{interface}-of-{observer}"}
    row |= {"srcaddr": f"srcaddr-of-{src}", "dstaddr": f"dstaddr-of-{dst}",
            "pkt_src_aws_service": f"x-of-{src}",
            "pkt_dst_aws_service": f"x-of-{dst}"}  # fmt: skip
    if role == "transit":
        row |= {
            "srcaddr": f"srcaddr-of-{observer}",
            "dstaddr": f"dstaddr-of-{observer}",
        }
    return row | source | destination | {
        "direction": direction, "counted": role is None, "role": role,
        "verdict": dice.choice(["accepted", "rejected"]), "action": "ACCEPT",
    }  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    dice = dice_of(7)
    return [record(dice, dice.randrange(3)) for _ in range(400)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory, rows):
    listed = tmp_path_factory.mktemp("brought") / "indicators.txt"
    listed.write_text("10.0.0.0/8\n")
    found = load_settings(
        lake=str(tmp_path_factory.mktemp("two")), indicators=str(listed)
    )
    with open_lake(found) as lake:
        put(lake, rows)
        roll_up(lake)
        with Engine(found) as opened:
            yield opened


def asked(engine, report, limits, **given):
    known = {p.name for p in report.parameters}
    needed = NEEDED.get(report.name, {})
    taken = {k: v for k, v in (WINDOW | needed | given).items() if k in known}
    return answer(engine, pose(engine, report, taken, now=NOW, limits=limits))


def flows(engine, limits):
    pinned = engine.pin(["flows"])["flows"]
    with engine.session([engine.plan(pinned)], limits) as session:
        return session.query("FROM flows")


def in_scope(row, prefix):
    return row.get(f"{prefix}_account") == "account-of-a"


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_a_row_is_there_if_either_end_is_in_scope(engine, rows, limits):
    seen = flows(engine, limits).to_pylist()
    assert 0 < len(seen) < len(rows)
    assert len(seen) == sum(in_scope(r, "src") or in_scope(r, "dst") for r in rows)


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_no_column_tells_of_others_but_kind_and_address(engine, limits):
    assert OF_B in str(flows(engine, UNLIMITED).to_pylist())
    seen = flows(engine, limits)
    telling = [n for n in seen.column_names if OF_B in str(seen[n].to_pylist())]
    assert not telling
    assert "account-of-a" in str(seen.to_pylist())
    assert seen["src_kind"].null_count == seen["src_address"].null_count == 0
    assert set(seen.column_names) == {*batch_schema(FLOWS).names, "day"}


@pytest.mark.parametrize("name", sorted(load_catalogue()))
def test_no_report_tells_of_others(engine, name):
    report = find_report(name)
    by = report.parameter("by")
    given = {"by": ["pod"]} if by and "pod" in by.allowed else {}
    try:
        found = asked(engine, report, LIMITS["account"], **given)
    except UnlimitedOnly:
        return
    assert OF_B not in json.dumps(found.meta) + "".join(json_rows(found.rows))


def test_reports_do_tell_of_others_where_nothing_is_limited(engine):
    found = asked(engine, find_report("conversations"), UNLIMITED)
    assert OF_B in "".join(json_rows(found.rows))


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("name", ["conversations", "rejected_traffic"])
def test_a_roll_up_is_limited_as_flows_are(engine, name, limits):
    report = find_report(name)
    rolled = asked(engine, report, limits)
    plain = asked(engine, replace(report, rolled=()), limits)
    assert plain.meta["table"] == "flows"
    assert rolled.rows.to_pylist() == plain.rows.to_pylist()


def test_an_answer_of_limits_says_nothing_of_how_much_there_is(engine):
    meta = asked(engine, find_report("conversations"), LIMITS["account"]).meta
    assert meta["files"] is None
    assert meta["rows_read"] is None
    assert meta["completeness"]["share"] is None or meta["data_through"]


def test_answers_of_other_limits_have_another_etag(engine):
    report = find_report("conversations")
    tags = {
        pose(engine, report, WINDOW, now=NOW, limits=limits).etag
        for limits in (UNLIMITED, *LIMITS.values())
    }
    assert len(tags) == 1 + len(LIMITS)


def test_a_gateway_between_ends_in_scope_tells_nothing_of_itself(engine):
    seen = flows(engine, LIMITS["account"]).to_pylist()
    passing = [row for row in seen if row["role"] == "transit"]
    assert passing
    assert {row[name] for row in passing for name in OBSERVED} == {None}


@pytest.fixture
def two(tmp_path):
    """Return a lake: of a there are records on the first, of b a day later."""
    dice = dice_of(3)
    ends: dict[str, list[object]] = {"a": [], "b": []}
    for whose, hour in (("a", 1), ("b", 30)):
        for _ in range(20):
            row = flow(dice, hour, "s")
            for prefix in ("src", "dst"):
                row |= {f"{prefix}_{n}": f"{n}-of-{whose}" for n in ("account", "vpc")}
            row |= {"account_id": f"account-of-{whose}", "counted": True, "role": None,
                    "vpc_id": f"vpc-of-{whose}"}  # fmt: skip
            ends[whose].append(row)
    found = load_settings(lake=str(tmp_path / "two"))
    with open_lake(found) as lake:
        put(lake, ends["a"])
        roll_up(lake)
        with Engine(found) as opened:
            yield opened, lambda: put(lake, ends["b"]), lambda: roll_up(lake)


ON_THE_THIRD = {"since": ["2026-01-03"], "until": ["2026-01-04"]}
IN_MARCH = {"since": ["2026-03-01"], "until": ["2026-03-02"]}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_meta_does_not_tell_when_others_had_records(two, limits):
    engine, ingest, roll = two
    report = find_report("conversations")

    def told(window):
        meta = asked(engine, report, limits, **window).meta
        return meta["warnings"], meta["completeness"], meta["data_through"]

    before = told(ON_THE_THIRD)
    ingest()
    assert told(ON_THE_THIRD) == before
    roll()
    assert told(ON_THE_THIRD) == before == told(IN_MARCH)


def test_how_far_the_records_reach_does_not_depend_on_the_window(two):
    engine, *_ = two
    report = find_report("conversations")
    first = {"since": ["2026-01-01T23:00"], "until": ["2026-01-02"]}
    told = {
        asked(engine, report, LIMITS["account"], **window).meta["data_through"]
        for window in (first, ON_THE_THIRD)
    }
    (through,) = told
    assert through.startswith("2026-01-01T23:59")


def test_what_nobody_knows_of_namespaces_is_not_called_none(two):
    engine, *_ = two
    meta = asked(engine, find_report("conversations"), LIMITS["namespace"]).meta
    assert meta["completeness"]["skipdata"] is None
    assert "of no namespace" in meta["completeness"]["reason"]
    assert not meta["warnings"]
