"""Of each packet one record counts: on the way, and where a flow log was replaced."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from tests.unit.test_enrich import AT, configured, holder, known, rows_of
from tests.unit.test_logged import log, settled

PLACES = [
    configured("vpc", VpcId="vpc-1", CidrBlock="10.0.0.0/16"),
    configured("subnet", SubnetId="subnet-1", VpcId="vpc-1", CidrBlock="10.0.0.0/24"),
]
HOW_MANY = pytest.mark.parametrize(
    "packets", [lambda minute: 3 + minute, lambda minute: 3], ids=["more", "as many"]
)
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"


def at(eni, minute, packets=3, *, way="egress", action="ACCEPT", late=0):
    start = AT + 60 * minute + late
    hop = eni.startswith("eni-hop")
    own = f"10.0.1.{eni[-1]}"
    src = own if hop and way == "egress" else CLIENT
    dst = own if hop and way == "ingress" else SERVER
    return (
        f"{eni} {src} {dst} 40000 443 6 {packets} {packets * 60} {start} "
        f"{start + 50} {action} OK vpc-1 {'subnet-2' if hop else 'subnet-1'} - 16 "
        f"{CLIENT} {SERVER} {way}"
    )


HOPS = ("transit_gateway", "gateway_load_balancer_endpoint")


def world(*logs):
    hops = [
        holder(f"10.0.1.{n}", eni=f"eni-hop{n}", kind=kind, forwards="transit",
               subnet="subnet-2")
        for n, kind in enumerate(HOPS)
    ]  # fmt: skip
    owners = [holder(CLIENT, eni="eni-1"), holder(SERVER, eni="eni-2")]
    return known(*hops, *owners, configurations=[*PLACES, *logs])


def counted(inventory, lines, **silences):
    found = settled(inventory, rows_of(lines), **silences)
    return [row["verdict"] if row["counted"] else row["role"] for row in found]


@pytest.mark.parametrize("late", [0, 25, 60])
def test_of_two_hops_as_near_one_counts(late):
    lines = [
        at(f"eni-hop{hop}", minute, 3 + minute, late=late * hop)
        for hop in (0, 1)
        for minute in range(5)
    ]
    found = counted(world(), lines)
    assert found == ["accepted"] * 5 + ["transit"] * 5
    assert counted(world(), lines[::-1]) == found[::-1]


@pytest.mark.parametrize("late", [0, 20])
@HOW_MANY
def test_a_nearer_hop_logged_later_leaves_what_was_before_to_the_other(late, packets):
    far = [at("eni-hop1", m, packets(m), way="ingress") for m in range(6)]
    near = [at("eni-hop0", m, packets(m), late=late) for m in range(3, 6)]
    found = counted(world(), far + near)
    assert found == ["accepted"] * 3 + ["transit"] * 3 + ["accepted"] * 3


def test_what_only_one_of_two_hops_saw_counts_there():
    lines = [at("eni-hop0", 0), at("eni-hop1", 5, 7)]
    assert counted(world(), lines) == ["accepted", "accepted"]


@pytest.mark.parametrize("late", [0, 20])
@HOW_MANY
def test_a_hop_that_stopped_some_let_others_pass(late, packets):
    sent = [at("eni-1", m, packets(m)) for m in range(4)]
    stopped = [
        at("eni-hop0", m, packets(m), action="REJECT", late=late) for m in (0, 1)
    ]
    let_go = [at("eni-hop0", m, packets(m), late=late) for m in (2, 3)]
    found = counted(world(log("fl-1", "eni-1")), sent + stopped + let_go)
    assert found[:4] == [None, None, "accepted", "accepted"]
    assert found[4:] == ["rejected", "rejected", "transit", "transit"]


MINUTES = [*range(6)]
SKIPPED = [("eni-1", AT + 120, AT + 179)], [("eni-2", AT + 120, AT + 179)]


@HOW_MANY
def test_what_was_skipped_at_the_source_counts_at_the_hop(packets):
    passed = [at("eni-hop0", m, packets(m)) for m in MINUTES]
    sent = [at("eni-1", m, packets(m)) for m in MINUTES if m != 2]
    inventory = world(log("fl-1", "eni-1"))
    found = counted(inventory, passed + sent, skipped=SKIPPED[0])
    assert found[:6] == ["accepted" if m == 2 else "transit" for m in MINUTES]
    assert found[6:] == ["accepted"] * 5
    assert counted(inventory, passed + sent)[:6] == ["transit"] * 6


@pytest.mark.parametrize(
    ("traffic", "expected"), [("ALL", "unmatched"), ("ACCEPT", "unconfirmed")]
)
@HOW_MANY
def test_what_was_skipped_at_the_destination_is_told_by_the_hop(
    packets, traffic, expected
):
    passed = [at("eni-hop0", m, packets(m)) for m in MINUTES]
    came = [at("eni-2", m, packets(m), way="ingress") for m in MINUTES if m != 2]
    inventory = world(log("fl-1", "eni-2", traffic))
    found = counted(inventory, passed + came, skipped=SKIPPED[1])
    assert found[:6] == [expected if m == 2 else "transit" for m in MINUTES]
    assert found[6:] == ["accepted"] * 5


def test_what_passed_a_hop_and_never_came_is_unmatched_at_the_nearest():
    far = [at("eni-hop1", minute, way="ingress") for minute in range(3)]
    near = [at("eni-hop0", minute) for minute in range(3)]
    found = counted(world(log("fl-2", "eni-2")), far + near)
    assert found == ["transit"] * 3 + ["unmatched"] * 3


@pytest.mark.parametrize("late", [0, 20, 60])
def test_what_a_hop_shows_on_both_ways_is_not_twice_what_came(late):
    ways = ("ingress", "egress")
    passed = [at("eni-hop1", m, way=way) for m in range(4) for way in ways]
    came = [at("eni-2", m, way="ingress", late=late) for m in range(4)]
    found = counted(world(log("fl-2", "eni-2")), passed + came)
    assert found == ["transit"] * 8 + ["accepted"] * 4


def two_logs(old, new, *logs):
    rows = [rows_of(lines, log=name) for name, lines in (("fl-1", old), ("fl-2", new))]
    both = pa.concat_tables(rows, promote_options="default").unify_dictionaries()
    found = settled(world(*logs), both)
    return [row["role"] for row in found][len(old) :]


def replaced(created):
    return [
        configured("flow_log", FlowLogId=name, ResourceId="eni-1", CreationTime=when)
        for name, when in (("fl-1", "2025-12-01T00:00:00Z"), ("fl-2", created))
    ]


@HOW_MANY
def test_a_better_flow_log_that_replaced_another_repeats_nothing(packets):
    created = datetime.fromtimestamp(AT + 5 * 60, UTC).isoformat()
    old, new = replaced(created)
    old["document"] = old["document"].replace("{", '{"TrafficType": "ACCEPT", ', 1)
    parts = [
        rows_of([at("eni-1", m, packets(m)) for m in minutes], log=name)
        for name, minutes in (("fl-1", range(5)), ("fl-2", range(5, 9)))
    ]
    both = pa.concat_tables(parts, promote_options="default").unify_dictionaries()
    assert [row["role"] for row in settled(world(old, new), both)] == [None] * 9


@HOW_MANY
def test_a_flow_log_that_replaced_another_repeats_nothing(packets):
    created = datetime.fromtimestamp(AT + 5 * 60, UTC).isoformat()
    old = [at("eni-1", m, packets(m)) for m in range(5)]
    new = [at("eni-1", m, packets(m)) for m in range(5, 9)]
    assert two_logs(old, new, *replaced(created)) == [None] * 4


@pytest.mark.parametrize("late", [0, 25])
@HOW_MANY
def test_a_flow_log_beside_another_goes_on_when_that_ends(packets, late):
    old = [at("eni-1", m, packets(m)) for m in range(5)]
    new = [at("eni-1", m, packets(m), late=late) for m in range(1, 9)]
    found = two_logs(old, new, *replaced("2025-12-20T00:00:00Z"))
    assert found == ["duplicate"] * 4 + [None] * 4


def test_what_two_flow_logs_show_a_blur_apart_counts_once():
    old = [at("eni-1", 0, 4)]
    new = [at("eni-1", 0, 4, late=58)]
    assert two_logs(old, new, *replaced("2025-12-20T00:00:00Z")) == ["duplicate"]
    assert two_logs(new, old, *replaced("2025-12-20T00:00:00Z")) == ["duplicate"]


def test_what_one_flow_log_shows_in_pieces_counts_once():
    pieces = [at("eni-1", 0, 4), at("eni-1", 1, 5)]
    whole = [at("eni-1", 0, 9, late=120).replace(str(AT + 170), str(AT + 229))]
    logs = replaced("2025-12-20T00:00:00Z")
    assert two_logs(pieces, whole, *logs) == [None]  # too late to be the same
    whole = [at("eni-1", 0, 9, late=59).replace(str(AT + 109), str(AT + 169))]
    soon = [at("eni-1", 0, 4, late=-1), at("eni-1", 0, 5, late=8)]
    assert two_logs(soon, whole, *logs) == ["duplicate"]


@pytest.mark.parametrize("end", ["eni-1", "eni-2"])
def test_an_end_logged_later_leaves_what_was_before_to_the_hop(end):
    made = {"FlowLogId": "fl-1", "ResourceId": end}
    made["CreationTime"] = datetime.fromtimestamp(AT + 600, UTC).isoformat()
    way = "egress" if end == "eni-1" else "ingress"
    hop = [at("eni-hop0", m, 3 + m) for m in range(12)]
    own = [at(end, m, 3 + m, way=way) for m in (10, 11)]
    found = counted(world(configured("flow_log", **made)), hop + own)
    assert found == ["accepted"] * 10 + ["transit"] * 2 + ["accepted"] * 2


@pytest.mark.parametrize("traffic", ["REJECT", "ACCEPT"])
def test_a_half_logged_end_says_nothing_of_the_minutes_beside_its_records(traffic):
    sent = [at("eni-1", m, 3 + m) for m in range(4)]
    seen = at("eni-2", 1, 4, way="ingress", action=traffic)
    logs = log("fl-1", "eni-1"), log("fl-2", "eni-2", traffic)
    found = counted(world(*logs), [*sent, seen])
    rest = "accepted" if traffic == "REJECT" else "unconfirmed"
    assert found[:4] == [rest, None, rest, rest]
    assert found[4] == ("rejected" if traffic == "REJECT" else "accepted")


@pytest.mark.parametrize("late", [0, 20])
def test_of_a_window_rejected_in_part_each_packet_counts_once(late):
    """The source's interface tells of all ten; the hop which of them went on."""
    sent = [at("eni-1", 0, 10), at("eni-1", 1, 10)]
    hop = [
        at("eni-hop0", 0, 3, action="REJECT", late=late),
        at("eni-hop0", 0, 7, late=late),
        at("eni-hop0", 1, 10, late=late),
    ]
    beyond = [at("eni-hop1", 0, 7, way="ingress"), at("eni-hop1", 1, 10, way="ingress")]
    found = counted(world(log("fl-1", "eni-1")), sent + hop)
    assert found == [None, "accepted", "rejected", "accepted", "transit"]
    found = counted(world(log("fl-1", "eni-1")), sent + hop + beyond)
    assert found == [
        None, "accepted", "rejected", "accepted", "transit", "transit", "transit",
    ]  # fmt: skip


@pytest.mark.parametrize("late", [0, 20])
@HOW_MANY
def test_a_hop_that_ends_leaves_the_rest_to_one_farther_away(late, packets):
    near = [at("eni-hop0", m, packets(m)) for m in range(3)]
    far = [at("eni-hop1", m, packets(m), way="ingress", late=late) for m in range(3, 6)]
    assert counted(world(), near + far) == ["accepted"] * 6


@pytest.mark.parametrize("late", [-50, -35, 35, 50])
def test_windows_of_a_minute_that_show_as_many_pair_in_their_order(late):
    near = [at("eni-hop0", m) for m in range(10)]
    far = [at("eni-hop1", m, way="ingress", late=late) for m in range(10)]
    found = counted(world(), near + far)
    assert found == ["accepted"] * 10 + ["transit"] * 10


def shifted(seconds, *, own, other, traffic="ALL"):
    """Return records of a source and of its half-logged destination, later by some."""
    ends = (("eni-1", "egress", 0, own), ("eni-2", "ingress", seconds, other))
    return [
        f"{eni} {CLIENT} {SERVER} 40000 443 6 {n} {n * 60} {AT + late + first} "
        f"{AT + late + last} {traffic if eni == 'eni-2' else 'ACCEPT'} OK vpc-1 "
        f"subnet-1 - 16 {CLIENT} {SERVER} {way}"
        for eni, way, late, windows in ends
        for first, last, n in windows
    ]


@pytest.mark.parametrize("traffic", ["ACCEPT", "REJECT"])
@pytest.mark.parametrize("late", [-20, -2, 0, 2, 20])
def test_windows_of_one_minute_and_of_ten_are_paired_by_what_they_add_up_to(
    late, traffic
):
    short, long = [(5, 5, 10), (70, 90, 20)], [(5, 90, 30)]
    logs = world(log("fl-1", "eni-1"), log("fl-2", "eni-2", traffic))
    lines = shifted(late, own=short, other=long, traffic=traffic)
    verdict = "accepted" if traffic == "ACCEPT" else "rejected"
    assert counted(logs, lines) == [None, None, verdict]
    lines = shifted(late, own=long, other=short, traffic=traffic)
    assert counted(logs, lines) == [None, verdict, verdict]


@pytest.mark.parametrize("late", [-20, -3, 3, 20])
def test_two_flow_logs_of_other_intervals_a_blur_apart_count_once(late):
    short = [(0, 2, 10), (60, 100, 20)]
    own, whole = (
        shifted(0, own=windows, other=())
        for windows in (short, [(late, 100 + late, 30)])
    )
    assert two_logs(own, whole, *replaced("2025-12-20T00:00:00Z")) == ["duplicate"]


def test_a_longer_window_at_a_hop_that_begins_to_reject_holds_what_lies_in_it():
    sent = [(5, 10, 10), (585, 590, 20), (605, 610, 5), (665, 670, 6)]
    own = shifted(0, own=sent, other=())
    hop = [
        at("eni-hop0", 0, 30).replace(f"{AT} {AT + 50}", f"{AT + 5} {AT + 590}"),
        at("eni-hop0", 0, 11, action="REJECT").replace(
            f"{AT} {AT + 50}", f"{AT + 605} {AT + 670}"
        ),
    ]
    found = counted(world(log("fl-1", "eni-1")), own + hop)
    assert found == ["accepted", "accepted", None, None, "transit", "rejected"]


BALANCER = holder("10.0.1.9", eni="eni-nlb", kind="load_balancer", forwards="transit",
                  subnet="subnet-2")  # fmt: skip


def balanced(minute, server=SERVER):
    """Return what a client sends through a load balancer, by its and the latter's."""
    start, to = AT + 60 * minute, "10.0.1.9"
    packets = f"6 5 300 {start} {start + 50} ACCEPT OK vpc-1"
    return [
        f"eni-1 {CLIENT} {to} 514 443 {packets} subnet-1 - 16 {CLIENT} {to} egress",
        f"eni-nlb {CLIENT} {to} 514 443 {packets} subnet-2 - 16 {CLIENT} {to} ingress",
        f"eni-nlb {to} {server} 514 443 {packets} subnet-2 - 16 {CLIENT} {server} "
        "egress",
    ]


def behind(*logs):
    owners = [holder(CLIENT, eni="eni-1"), holder(SERVER, eni="eni-2"),
              holder("10.0.0.3", eni="eni-3")]  # fmt: skip
    return known(BALANCER, *owners, configurations=[*PLACES, *logs])


def test_what_a_load_balancer_sent_to_a_logged_target_that_shows_nothing_is_unmatched():
    logs = [log("fl-1", "eni-1"), log("fl-2", "eni-nlb"), log("fl-3", "eni-2")]
    found = counted(behind(*logs), balanced(0))
    assert found == ["unmatched", "transit", "transit"]
    assert counted(behind(*logs[:2]), balanced(0))[0] == "accepted"


def test_what_the_client_sent_elsewhere_from_that_port_tells_nothing_of_it():
    logs = [log("fl-1", "eni-1"), log("fl-2", "eni-nlb"), log("fl-3", "eni-2")]
    start = AT + 600
    other = [
        f"{eni} {CLIENT} {SERVER} 514 443 6 7 420 {start} {start + 50} ACCEPT OK vpc-1 "
        f"subnet-1 - 16 {CLIENT} {SERVER} {way}"
        for eni, way in (("eni-1", "egress"), ("eni-2", "ingress"))
    ]
    found = counted(behind(*logs), balanced(0, "10.0.0.3") + other)
    assert found == ["accepted", "transit", "transit", None, "accepted"]
