"""Several flow logs of one interface: every packet counts once, whoever logged it."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_enrich import AT, configured, holder, known, rows_of
from tests.unit.test_logged import settled

START = AT - AT % 600
PLACES = [
    configured("vpc", VpcId="vpc-1", CidrBlock="10.0.0.0/16"),
    configured("subnet", SubnetId="subnet-1", VpcId="vpc-1", CidrBlock="10.0.0.0/24"),
]


class Log:
    """A flow log that lives from a second until another, in windows of so many.

    Its clock may be late.
    """

    def __init__(self, name, interval, since, until, late=0):
        self.name, self.interval = name, interval
        self.since, self.until, self.late = since, until, late

    def document(self):
        created = datetime.fromtimestamp(START + self.since, UTC).isoformat()
        return configured(
            "flow_log",
            FlowLogId=self.name,
            ResourceId="eni-1",
            TrafficType="ALL",
            MaxAggregationInterval=self.interval,
            CreationTime=created,
        )

    def __repr__(self):
        return f"Log(*{[*vars(self).values()]})"

    def hears(self, second):
        return self.since <= second < self.until

    def lines(self, packets):
        """Return its records of packets: (port, second) each."""
        begin = START + self.late
        windows: dict[tuple[int, int], list[int]] = {}
        for port, second in packets:
            if self.hears(second):
                windows.setdefault((port, second // self.interval), []).append(second)
        return [
            f"eni-1 10.0.0.1 10.0.0.2 {port} 443 6 {len(seen)} {sum(map(size, seen))} "
            f"{begin + min(seen)} {begin + max(seen)} ACCEPT OK vpc-1 subnet-1 - 16 "
            "10.0.0.1 10.0.0.2 egress"
            for (port, _), seen in sorted(windows.items())
        ]


def counted(logs, packets, *, without=None, skipped=()):
    """Return how many packets count.

    Args:
        logs: Who heard them.
        packets: (port, second) each.
        without: Of a log's name, from which second until before which it lacks all.
        skipped: What it says of that.
    """
    without = without or {}
    inventory = known(
        holder("10.0.0.1", eni="eni-1"),
        holder("10.0.0.2", eni="eni-2"),
        configurations=[*PLACES, *(log.document() for log in logs)],
    )
    parts = []
    for log in logs:
        begin, end = without.get(log.name, (0, 0))
        told = [p for p in packets if not begin <= p[1] < end]
        if lines := log.lines(told):
            parts.append(rows_of(lines, log=log.name))
    if not parts:
        return 0
    rows = pa.concat_tables(parts, promote_options="default").unify_dictionaries()
    found = settled(inventory, rows, skipped=skipped)
    amounts = rows["packets"].to_pylist()
    return sum(n for n, row in zip(amounts, found, strict=True) if row["counted"])


def size(second):
    """Return the bytes of a packet: what adds up to as much is the same packets."""
    return 40 + second * 7919 % 1009


@st.composite
def flow_logs(draw):
    """Draw some of which one at most is cut in any ten minutes: else two show parts.

    An end in ten minutes that another's cuts already moves out to their edge.
    """
    logs: list[Log] = []
    cut: set[int] = set()
    for n in range(draw(st.integers(2, 3))):
        since = draw(st.integers(0, 2400))
        until = since + draw(st.integers(60, 2400))
        if since // 600 in cut:
            since -= since % 600
        if until // 600 in cut:
            until += -until % 600
        cut |= {end // 600 for end in (since, until)}
        logs.append(Log(f"fl-{n}", draw(st.sampled_from([60, 600])), since, until))
    return logs


BUSY = range(0, 3600, 5), range(3, 3600, 41), range(59, 3600, 60)
STEADY = st.integers(5, 70).map(
    lambda every: [(4000, s) for s in range(0, 3600, every)]
)
BURSTS = st.lists(st.tuples(st.integers(4000, 4003), st.integers(0, 3599)), max_size=80)


@settings(max_examples=60)
@given(flow_logs(), STEADY, BURSTS)
def test_each_packet_that_some_flow_log_heard_counts_once(logs, steady, bursts):
    packets = steady + bursts
    heard = [p for p in packets if any(log.hears(p[1]) for log in logs)]
    assert counted(logs, packets) == len(heard)


LATE = st.tuples(st.sampled_from([60, 600]), st.integers(0, 20))


@settings(max_examples=60)
@given(st.lists(LATE, min_size=2, max_size=3), BURSTS)
def test_each_packet_counts_once_whatever_clocks_differ(clocks, bursts):
    logs = [
        Log(f"fl-{n}", interval, 0, 3600, late)
        for n, (interval, late) in enumerate(clocks)
    ]
    assert counted(logs, bursts) == len(bursts)


def test_a_window_of_what_two_finer_flow_logs_share_between_them():
    logs = [Log("fl-1", 60, 0, 60), Log("fl-2", 60, 0, 600), Log("fl-3", 600, 0, 600)]
    packets = [(4000, second) for second in range(0, 600, 5)]
    assert counted(logs, packets) == len(packets)


def test_a_window_of_the_time_between_two_finer_flow_logs():
    logs = [
        Log("fl-1", 60, 0, 240),
        Log("fl-2", 60, 420, 900),
        Log("fl-3", 600, 0, 900),
    ]
    packets = [(4000, second) for second in range(0, 900, 5)]
    assert counted(logs, packets) == len(packets)


@pytest.mark.parametrize("intervals", [(60, 60), (60, 600), (600, 600)])
@pytest.mark.parametrize("lost", range(1, 4))
def test_what_aws_skipped_in_one_flow_log_another_shows(intervals, lost):
    logs = [Log(f"fl-{n}", every, 0, 3600) for n, every in enumerate(intervals)]
    packets = [(4000 + port, second) for port in range(3) for second in BUSY[port]]
    window = intervals[0] * lost, intervals[0] * (lost + 1)
    skipped = ("eni-1", START + window[0], START + window[1] - 1)
    heard = [p for p in packets if not window[0] <= p[1] < window[1]]
    assert counted([logs[0]], heard) == len(heard)
    found = counted(logs, packets, without={"fl-0": window}, skipped=[skipped])
    assert found == len(packets)


@pytest.mark.parametrize(
    ("coarse", "fine"), [((0, 900), (300, 3600)), ((300, 3600), (0, 900))]
)
def test_a_finer_flow_log_in_the_middle_of_a_window(coarse, fine):
    logs = [Log("fl-1", 600, *coarse), Log("fl-2", 60, *fine)]
    packets = [(4000, second) for second in range(0, 3600, 7)]
    assert counted(logs, packets) == len(packets)
