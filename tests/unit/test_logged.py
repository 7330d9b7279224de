"""What is logged decides what counts: of the kinds, silence and end of flow logs."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from ingest.enriching import Enricher
from ingest.hour import NEIGHBOUR_COLUMNS
from tests.unit.test_enrich import AT, configured, holder, known, line, rows_of
from transform.enrich import Attributor, Taught
from transform.facts import Gathering
from transform.logged import Silences
from transform.settle import settle

SOURCE = line("10.0.0.1", "10.0.0.2", eni="eni-1")
PLACES = [
    configured("vpc", VpcId="vpc-1", CidrBlock="10.0.0.0/16"),
    configured("subnet", SubnetId="subnet-1", VpcId="vpc-1", CidrBlock="10.0.0.0/24"),
]


def log(id_, resource, traffic="ALL", **facts):
    document = {"FlowLogId": id_, "ResourceId": resource, "TrafficType": traffic}
    own = {name: facts.pop(name) for name in [*facts] if name[0].isupper()}
    return configured("flow_log", **document, **own) | facts


def settled(inventory, rows, reporting=(), skipped=()):
    """Settle rows: as of the hour, and the same as of one beside it."""
    beside = rows.select([n for n in NEIGHBOUR_COLUMNS if n in rows.column_names])
    silences = Silences(reporting, skipped)
    found, known = (decided(inventory, some, silences) for some in (rows, beside))
    assert found == known  # else what lies across an hour's edge is judged otherwise
    return found


def decided(inventory, rows, silences):
    attributor = Attributor(inventory)
    gathering = Gathering()
    gathering.see(rows)
    seen = gathering.facts()
    gathering.learn(attributor(rows, Taught(seen.places, seen.shown)))
    found = settle(rows, attributor, gathering.facts(), silences=silences)
    columns = {
        name: found[name].to_pylist() if name in found else [None] * rows.num_rows
        for name in ("counted", "verdict", "role")
    }
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def world(*logs):
    return known(
        holder("10.0.0.1", eni="eni-1"),
        holder("10.0.0.2", eni="eni-2"),
        configurations=[*PLACES, log("fl-1", "eni-1"), *logs],
    )


ACCEPTED = {"counted": True, "verdict": "accepted", "role": None}
UNMATCHED = {"counted": False, "verdict": None, "role": "unmatched"}


@pytest.mark.parametrize(
    ("logs", "expected"),
    [
        ([], ACCEPTED),
        ([log("fl-2", "eni-2")], UNMATCHED),
        ([log("fl-2", "subnet-1")], UNMATCHED),
        ([log("fl-2", "eni-2", "REJECT")], ACCEPTED),
        ([log("fl-2", "eni-2", LogDestinationType="s3")], UNMATCHED),
        ([log("fl-2", "eni-2", LogDestinationType="cloud-watch-logs")], ACCEPTED),
        ([log("fl-2", "eni-2", DeliverLogsStatus="FAILED")], ACCEPTED),
    ],
)
def test_a_destination_settles_only_what_is_logged_there(logs, expected):
    inventory = world(*logs)
    assert settled(inventory, rows_of([SOURCE])) == [expected]


@pytest.mark.parametrize(
    ("traffic", "expected"), [("REJECT", ACCEPTED), ("ALL", UNMATCHED)]
)
def test_silence_says_no_more_than_its_flow_log_is_of(traffic, expected):
    inventory = world(log("fl-2", "eni-2", traffic))
    silent = [("eni-2", "fl-2")]
    assert settled(inventory, rows_of([SOURCE]), silent) == [expected]


def test_silence_of_an_unknown_flow_log_is_of_what_it_ever_showed():
    silent = [("eni-2", "fl-2")]
    other = line("10.0.0.9", "10.0.0.3", eni="eni-3", way="ingress")
    for action, expected in (("ACCEPT", UNMATCHED), ("REJECT", ACCEPTED)):
        shown = rows_of([other.replace("ACCEPT", action)], log="fl-2")
        rows = pa.concat_tables([rows_of([SOURCE]), shown], promote_options="default")
        assert settled(world(), rows.unify_dictionaries(), silent)[0] == expected


@pytest.mark.parametrize(
    ("gone", "expected"), [(datetime(2025, 12, 20, tzinfo=UTC), ACCEPTED),
                           (datetime(2026, 1, 20, tzinfo=UTC), UNMATCHED),
                           (None, UNMATCHED)],
)  # fmt: skip
def test_a_flow_log_that_was_deleted_logs_no_longer(gone, expected):
    inventory = world(log("fl-2", "eni-2", latest=gone))
    assert settled(inventory, rows_of([SOURCE])) == [expected]


def test_a_flow_log_that_delivers_elsewhere_too_tells_what_is_heard_of_it():
    inventory = world(log("fl-2", "eni-2", LogDestinationType="kinesis-data-firehose"))
    assert settled(inventory, rows_of([SOURCE]), [("eni-3", "fl-2")]) == [UNMATCHED]


def test_between_two_flow_logs_of_a_place_it_is_not_logged():
    gone = log("fl-2", "eni-2", latest=datetime(2025, 12, 20, tzinfo=UTC))
    later = log("fl-3", "eni-2", CreationTime="2026-01-20T00:00:00Z")
    assert settled(world(gone, later), rows_of([SOURCE])) == [ACCEPTED]


@pytest.mark.parametrize("instance", ["i-1", "i-2"])
def test_an_interface_that_moved_is_at_the_instance_that_its_record_names(instance):
    moved = known(
        holder("10.0.0.1", instance="i-1", eni="eni-1", name="one",
               valid_from=datetime(2025, 1, 1, tzinfo=UTC),
               valid_until=datetime(2025, 2, 1, tzinfo=UTC),
               latest=datetime(2025, 2, 2, tzinfo=UTC)),
        holder("10.0.0.1", instance="i-2", eni="eni-1", name="two",
               valid_from=datetime(2026, 6, 1, tzinfo=UTC),
               earliest=datetime(2025, 2, 1, tzinfo=UTC)),
    )  # fmt: skip
    lines = [line("10.0.0.1", "8.8.8.8", instance=i) for i in ("i-1", "i-2", "-")]
    rows = Enricher(Attributor(moved), (None, None))(rows_of(lines)).to_pylist()
    found = {row["instance_id"]: row for row in rows}
    assert found[instance]["src_instance"] == instance
    assert found[None].get("src_instance") is None
    assert all(row.get("src_name") is None for row in rows)


def test_an_interface_lends_nothing_to_a_time_when_it_was_not_known():
    later = {"valid_from": datetime(2026, 6, 1, tzinfo=UTC),
             "earliest": datetime(2026, 5, 1, tzinfo=UTC)}  # fmt: skip
    inventory = known(holder("10.0.0.1", eni="eni-1", name="new", **later))
    rows = rows_of([line("10.0.0.1", "8.8.8.8")])
    (row,) = Enricher(Attributor(inventory), (None, None))(rows).to_pylist()
    assert (row["src_eni"], row.get("src_name")) == ("eni-1", None)
    assert row["src_attribution"] == "learned"


def minute(number, *, eni, way, packets=3):
    begin = AT + 60 * number
    return (
        f"{eni} 10.0.0.1 10.0.0.2 40000 443 6 {packets} {60 * packets} {begin} "
        f"{begin + 50} ACCEPT OK vpc-1 subnet-1 - 16 10.0.0.1 10.0.0.2 {way}"
    )


@pytest.mark.parametrize(
    ("skipped", "expected"),
    [
        ((), None),
        ([("eni-2", AT + 60, AT + 119)], "unmatched"),
        ([("eni-2", AT + 300, AT + 359)], None),
        ([("eni-1", AT + 60, AT + 119)], None),
    ],
)
@pytest.mark.parametrize("more", [0, 9])
def test_what_aws_skipped_at_the_end_of_a_long_connection_is_unmatched(
    skipped, expected, more
):
    """So is what nothing else shows; what is more there may be of those."""
    both = world(log("fl-2", "eni-2"))
    sent = [minute(n, eni="eni-1", way="egress", packets=9 - n) for n in range(4)]
    came = [
        minute(n, eni="eni-2", way="ingress", packets=9 - n + more * (n == 2))
        for n in (0, 2, 3)
    ]
    found = settled(both, rows_of([*sent, *came]), skipped=skipped)
    expected = expected if more else "unmatched"
    assert [row["role"] for row in found] == [None, expected, *[None] * 5]
    assert [row["counted"] for row in found] == [False] * 4 + [True] * 3
