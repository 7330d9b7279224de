"""Laws of the reports about traffic, over random flows: what adds up to what."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from lake.settings import load_settings
from queries.answers import answer, pose
from queries.catalogue import find_report
from queries.engine import Engine
from tests.lakes import open_lake
from tests.plain_sums import dice_of, flows_of, label, put, told

NOW = datetime(2026, 2, 1, tzinfo=UTC)
HOURS = (0, 1, 2, 3, 5)  # from the 1st, 22:00
SINCE = datetime(2026, 1, 2, 0, tzinfo=UTC)  # the baseline has two of them
SWAP = {"accepted": "rejected", "rejected": "accepted"}
STRAY = ("late_packet", "idle_timeout")
EDGE = ("client", "server", "service_port", "many_ports", "protocol", "verdict")


def random_rows():
    """Return rows with every verdict, cause and kind of end that reports tell apart."""
    dice = dice_of(7)
    rows = [row for seed in range(40) for row in flows_of(seed, HOURS)]
    for row in rows:
        row["counted"] = bool(row["counted"])
        if row["counted"]:
            verdicts = ["accepted", "rejected", "unconfirmed"]
            row["verdict"] = dice.choices(verdicts, (5, 5, 1))[0]
        causes = ["undetermined", "network_acl", *STRAY]
        row["reject_cause"] = (
            dice.choice(causes) if row["verdict"] == "rejected" else None
        )
        row["service_port"] = dice.choice([*[22, 80] * 12, *range(9000, 9030), None])
        if row["src_kind"] == "network" and dice.random() < 0.5:
            row["src_kind"] = "aws_service"
        row["scope"] = dice.choice(["internal", "internal", "inbound"])
    return rows


def lake_of(path, rows):
    settings = load_settings(lake=str(path))
    with open_lake(settings) as lake:
        put(lake, rows)
    return settings


@pytest.fixture(scope="module")
def rows():
    return random_rows()


@pytest.fixture(scope="module")
def ask(rows, tmp_path_factory):
    """Ask a report by name of a lake with the rows; give its rows."""
    with Engine(lake_of(tmp_path_factory.mktemp("lake"), rows)) as engine:
        yield asking(engine)


def asking(engine):
    def asked(report, **given):
        window = {"since": "2026-01-02", "until": "2026-01-03", "limit": 1_000_000}
        texts = {name: [str(value)] for name, value in (window | given).items()}
        question = pose(engine, find_report(report), texts, now=NOW)
        return answer(engine, question).rows.to_pylist()

    return asked


BEFORE = {"since": "2026-01-01T22:00Z", "until": "2026-01-02"}


def counted(rows, *, baseline=False):
    """Return (row, client side, server side, port) of what adds up in the window."""
    return [
        (row, client, server, port)
        for row in rows
        if baseline or row["start_time"] >= SINCE
        if (what := told(row)) and what[3] != "unmatched"
        for client, server, port, _ in [what]
    ]


def is_attempt(row):
    flags = row["tcp_flags"]
    opens = row["protocol"] != 6 or flags is None or flags & 18 == 2
    return row["initiator"] != "dst" and opens


def is_stray(row):
    return row["reject_cause"] in STRAY


def summed(found, *names):
    return tuple(sum(row[name] for row in found) for name in names)


@pytest.mark.parametrize("by", ["workload", "pod", "eni", "address", "scope", "port"])
@pytest.mark.parametrize("server_by", ["namespace", "az"])
def test_the_cells_of_a_matrix_add_up_to_all_that_was_asked(rows, ask, by, server_by):
    found = ask("traffic_matrix", by=by, server_by=server_by)
    assert len({(row["client"], row["server"]) for row in found}) == len(found)
    wanted: Any = defaultdict(int)
    for row, *_ in counted(rows):
        flags = row["tcp_flags"] or 0
        opens = row["initiator"] == "src" and flags & 18 == 2
        wanted["records"] += 1
        for name, value in (("records", 1), ("bytes", row["bytes"] or 0),
                            ("connections", opens)):  # fmt: skip
            wanted[f"{row['verdict']}_{name}"] += value
    names = [name for name in found[0] if name not in ("client", "server")]
    assert summed(found, *names) == tuple(wanted[name] for name in names)


def test_the_margins_of_a_matrix_are_those_of_conversations(ask):
    def margins(found, end):
        sums: Any = Counter()
        for row in found:
            sums[row[end]] += row["records"]
        return sums

    matrix, pairs = ask("traffic_matrix"), ask("conversations")
    for end in ("client", "server"):
        assert margins(matrix, end) == margins(pairs, end)


def edges(found):
    return {tuple(row[name] for name in EDGE): row["records"] for row in found}


def test_new_edges_and_known_ones_are_all_conversations(ask):
    given = {"by": "workload", "ports": "all"}
    now = edges(ask("conversations", **given))
    before = edges(ask("conversations", **given, **BEFORE))
    new = edges(ask("new_edges", **given, baseline="2h"))
    assert new == {edge: now[edge] for edge in now.keys() - before.keys()}
    assert new
    assert new.keys() != now.keys()


def test_a_known_pair_is_one_that_the_baseline_has(ask):
    before = {(r["client"], r["server"]) for r in ask("conversations", **BEFORE)}
    for row in ask("new_edges", baseline="2h"):
        assert row["known_pair"] == ((row["client"], row["server"]) in before)


def test_changed_edges_are_those_of_both_times(ask):
    given = {"ports": "all", "baseline": "2h", "factor": 1}
    now = edges(ask("conversations", ports="all"))
    before = edges(ask("conversations", ports="all", **BEFORE))
    found = ask("changed_edges", **given, metric="records")
    kinds: Any = defaultdict(set)
    for row in found:
        edge = tuple(row[name] for name in EDGE)
        kinds[row["change"]].add(edge)
        assert row["records_now"] == now.get(edge, 0)
    assert kinds["appeared"] == now.keys() - before.keys()
    assert kinds["vanished"] == before.keys() - now.keys()
    assert kinds["grown"] | kinds["shrunk"] == now.keys() & before.keys()


def test_what_opened_would_have_broken_the_other_way_round(rows, ask, tmp_path_factory):
    """Accepted in place of rejected, and rejected in place of accepted."""
    swapped = [
        {
            **row,
            "verdict": SWAP.get(row["verdict"], row["verdict"]),
            "reject_cause": None,
        }
        for row in rows
        if not is_stray(row)
    ]
    given = {"since": "2026-01-01", "by": "pod", "server_by": "address"}
    there = {"opened": "broke", "broke": "opened", "mixed": "mixed"}
    forth = ask("denied_then_accepted", **given)
    with Engine(lake_of(tmp_path_factory.mktemp("lake"), swapped)) as engine:
        back = asking(engine)("denied_then_accepted", **given)

    def shape(row, first, second, change):
        ends = ("client", "server", "service_port", "protocol", "between_s")
        parts = (
            f"{v}_{n}" for v in (first, second) for n in ("records", "first", "last")
        )
        return (change, *(row[name] for name in (*ends, *parts)))

    mirrored = Counter(
        shape(r, "accepted", "rejected", there[r["change"]]) for r in back
    )
    ours = Counter(shape(row, "rejected", "accepted", row["change"]) for row in forth)
    assert ours == mirrored
    assert {row["change"] for row in forth} == set(there)


@pytest.mark.parametrize("step", ["minute", "five_minutes", "hour", "day"])
@pytest.mark.parametrize("split", ["none", "server", "port", "verdict"])
def test_the_steps_of_a_series_add_up_to_all_that_was_asked(rows, ask, step, split):
    found = ask("timeseries", step=step, split=split, top=2)
    heard = [row for row in found if row["heard"]]
    assert all(row["records"] is None for row in found if not row["heard"])
    assert len({(row["begins"], row["key"]) for row in found}) == len(found)
    steps = {"minute": 1440, "five_minutes": 288, "hour": 24, "day": 1}
    assert len({row["begins"] for row in found}) == steps[step]
    inside = [row for row, *_ in counted(rows)]
    verdicts = Counter(row["verdict"] for row in inside)
    names = ("accepted", "rejected", "unconfirmed")
    assert summed(heard, "records", *names) == (
        len(inside), *(verdicts[name] for name in names),
    )  # fmt: skip
    packets = sum(row["packets"] or 0 for row in inside)
    assert summed(heard, "packets") == (packets,)


def test_what_was_refused_is_the_same_by_cause_by_time_and_by_pair(ask):
    by_pair: Any = Counter()
    for row in ask("rejected_traffic"):
        by_pair[row["reject_cause"]] += row["records"]
    by_cause: Any = Counter()
    by_time: Any = Counter()
    for row in ask("reject_causes"):
        by_cause[row["reject_cause"]] += row["records"]
    for row in ask("rejection_timeline"):
        by_time[row["key"]] += row["records"] or 0
    assert by_pair == by_cause == +by_time
    assert sum(row["share"] for row in ask("reject_causes")) == pytest.approx(
        1, abs=1e-3
    )


def from_internet(rows, verdict):
    """Return (row, server's label, port, source) of what the internet opened."""
    outside = ("internet", "aws_service")
    return [
        (row, label(row, server), port, row[f"{client}_address"])
        for row, client, server, port in counted(rows)
        if row["verdict"] == verdict
        and row[f"{client}_kind"] in outside
        and row[f"{server}_kind"] not in outside
    ]


def test_exposed_is_what_the_internet_opened_and_was_let_in(rows, ask):
    sources: Any = defaultdict(set)
    for row, server, port, source in from_internet(rows, "accepted"):
        if port is not None:
            sources[server, port, row["protocol"]].add(source)
    found = {
        (row["server"], row["service_port"], row["protocol"]): row["sources"]
        for row in ask("exposed_services")
    }
    assert found == {key: len(some - {None}) for key, some in sources.items()}


def test_sources_of_what_the_internet_tried_are_counted_exactly(rows, ask):
    wanted: Any = defaultdict(list)
    for row, server, _, source in from_internet(rows, "rejected"):
        wanted[server, row["protocol"], row["reject_cause"]].append(source)
    found = {
        (row["server"], row["protocol"], row["reject_cause"]): row
        for row in ask("rejected_from_internet", ports="together")
    }
    assert found.keys() == wanted.keys()
    for key, tries in wanted.items():
        assert found[key]["records"] == len(tries)
        assert found[key]["sources"] == len(set(tries) - {None})
    each = ask("rejected_from_internet")
    assert summed(each, "records") == (sum(map(len, wanted.values())),)
    for server in {row["server"] for row in each}:
        mine = {r["service_port"] for r in each if r["server"] == server}
        assert len(mine - {None}) <= 20


def test_a_retry_is_what_was_tried_in_several_minutes(rows, ask):
    minutes: Any = defaultdict(set)
    for row, client, server, port in counted(rows):
        if row["verdict"] == "rejected" and is_attempt(row) and not is_stray(row):
            outside = row[f"{client}_kind"] in ("internet", "aws_service")
            who = row[f"{client}_address"] if outside else label(row, client)
            key = (who, label(row, server), port, row["protocol"], row["reject_cause"])
            minutes[key].add(row["start_time"].replace(second=0))
    names = ("client", "server", "service_port", "protocol", "reject_cause")
    found = {
        tuple(row[name] for name in names): row["minutes"]
        for row in ask("retrying_clients", minutes=2)
    }
    wanted = {key: len(some) for key, some in minutes.items() if len(some) >= 2}
    assert found == wanted
    assert found


def test_what_worked_before_was_let_in_before_it_was_refused(rows, ask):
    accepted: Any = defaultdict(list)
    refused: Any = defaultdict(list)
    for row, client, server, port in counted(rows, baseline=True):
        if row["scope"] != "internal":
            continue
        ends = (label(row, client), label(row, server), port, row["protocol"])
        way = row["initiator"] == "dst"
        if row["verdict"] == "accepted":
            accepted[ends, way].append(row["start_time"])
        elif row["verdict"] == "rejected" and row["start_time"] >= SINCE:
            refused[(*ends, row["reject_cause"])].append((row["start_time"], way))
    names = ("client", "server", "service_port", "protocol", "reject_cause")
    found = {
        tuple(row[name] for name in names): row["worked_before"]
        for row in ask("rejected_internal", baseline="2h")
    }
    assert found.keys() == refused.keys()
    for (*ends, cause), times in refused.items():
        worked = None
        if cause not in STRAY:
            worked = any(
                start < min(time for time, other in times if other == way)
                for way in {way for _, way in times}
                for start in accepted[tuple(ends), way]
            )
        assert found[(*ends, cause)] == worked
    assert set(found.values()) == {True, False, None}
