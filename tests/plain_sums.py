"""The sums of roll-ups in plain Python, and random flows to add up in a lake."""

import random
import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from lake.datafiles import DataFileWriter
from lake.ordering import by_hour
from lake.rewrite import hour_of, hours_property
from lake.store import Change, commit
from lake.tables import (
    COVERAGE_HOURLY,
    EDGES_DAILY,
    EDGES_HOURLY,
    ENDPOINTS_HOURLY,
    FLOWS,
    REJECTIONS_HOURLY,
    batch_schema,
)

BEGIN = datetime(2026, 1, 1, 22, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PORTS, SOURCES = 2, 3
END = ("kind", "cluster", "namespace", "workload", "az", "vpc", "account")
PLACE = (*END[:4], "pod", "node", "eni", "subnet", *END[4:])
SUMMED = ("records", "connections", "packets_to_server", "packets_to_client",
          "bytes_to_server", "bytes_to_client")  # fmt: skip


def dice_of(seed):
    return random.Random(seed)  # noqa: S311


def side(dice, prefix):
    kind = dice.choice(["pod", "pod", "instance", "internet", "network", None])
    row = {"kind": kind, "attribution": None}
    if kind == "pod":
        row |= {"workload": dice.choice(["web", "db", None]), "namespace": "shop",
                "cluster": "c", "pod": dice.choice(["p1", "p2"]), "node": "n1",
                "eni": dice.choice(["eni-1", None]),
                "attribution": "exact"}  # fmt: skip
    elif kind == "instance":
        row |= {"instance": "i-1", "eni": "eni-2", "az": dice.choice("ab"),
                "attribution": "learned"}  # fmt: skip
    elif kind == "network":
        row |= {"network": "office"}
    elif kind is None:
        row |= {"vpc": "vpc-1", "attribution": "no_identity"}
    address = None if dice.random() < 0.05 else f"10.0.0.{dice.randrange(6)}"
    return {f"{prefix}_{k}": v for k, v in (row | {"address": address}).items()}


def flow(dice, hour, source):
    start = BEGIN + hour * HOUR + timedelta(seconds=dice.randrange(3600))
    role = dice.choice([None, None, None, "unmatched", "transit"])
    counted = None if dice.random() < 0.1 else role is None
    return {
        **side(dice, "src"),
        **side(dice, "dst"),
        "start_time": start,
        "end_time": start + timedelta(seconds=dice.randrange(60)),
        "observer": dice.choice(["eni-1", "eni-2"]),
        "role": role,
        "counted": counted,
        "settled": dice.random() < 0.8,
        "verdict": dice.choice(["accepted", "rejected"]) if counted else None,
        "reject_cause": dice.choice(["security_group", None]),
        "scope": dice.choice(["internal", "inbound", "outbound", None]),
        "initiator": dice.choice(["src", "dst", None]),
        "service_port": dice.choice([22, 80, 443, 8080, None]),
        "protocol": dice.choice([6, 17, None]),
        "tcp_flags": dice.choice([2, 18, 0, 3, None]),
        "packets": dice.randrange(9),
        "bytes": dice.choice([None, 40, 1500]),
        "flow_log_id": ("fl-1", "fl-1", "fl-2", None)[start.second % 4],
        "source_object": source,
    }


def probe(dice, hour, source):
    """Return one of many rejected records of few servers, whose sums fold."""
    server = {"dst_kind": "pod", "dst_pod": "p1", "dst_eni": "eni-1", "dst_node": None,
              "dst_workload": "web", "dst_attribution": "exact"}  # fmt: skip
    outside = {"src_kind": "internet", "src_attribution": None,
               "src_address": f"198.51.100.{dice.randrange(6)}"}  # fmt: skip
    return {
        **dict.fromkeys(side(dice, "src")),
        **dict.fromkeys(side(dice, "dst")),
        **flow(dice, hour, source),
        **dict.fromkeys(f"{a}_{b}" for a in ("src", "dst") for b in PLACE),
        **server, **outside, "role": None, "counted": True, "verdict": "rejected",
        "reject_cause": None, "scope": "inbound", "initiator": "src", "protocol": 6,
        "src_instance": None, "src_network": None,
        "service_port": dice.choice([22, 80, 443, 8080]),
    }  # fmt: skip


def flows_of(seed, hours):
    dice = dice_of(seed)
    return [dice.choice((flow, probe))(dice, dice.choice(hours), f"s{seed}")
            for _ in range(dice.randrange(1, 60))]  # fmt: skip


def as_table(rows):
    schema = batch_schema(FLOWS)
    names = list(dict.fromkeys(n for row in rows for n in row))
    return pa.table({
        n: pa.array([row.get(n) for row in rows],
                    pa.string() if pa.types.is_dictionary(t) else t).cast(t)
        for n in names for t in [schema.field(n).type]
    })  # fmt: skip


def put(lake, rows, *, op="ingest", removed=()):
    """Commit rows of `flows` as a run does, and take some files out."""
    base, commit_id = lake.load(FLOWS), uuid.uuid4().hex
    writer = DataFileWriter(FLOWS, base, commit_id)
    parts = by_hour(as_table(rows), FLOWS) if rows else ()
    added = [writer.write(part, ordered=True) for part in parts]
    hours = {hour_of(base, file) for file in (*added, *removed)}
    change = Change(op=op, commit_id=commit_id, begun=datetime.now(UTC), added=added,
                    removed=removed, summary=hours_property(sorted(hours)))  # fmt: skip
    commit(lake, FLOWS, change, base=base, check=lambda table, since: None)


def label(row, side):
    names = ("workload", "node", "name", "network", "aws_service", "instance", "eni",
             "kind")  # fmt: skip
    return next((v for n in names if (v := row.get(f"{side}_{n}")) is not None), None)


def end(row, side, names):
    return tuple(label(row, side) if n == "workload" else row.get(f"{side}_{n}")
                 for n in names)  # fmt: skip


def told(row):
    """Return (client side, server side, port, verdict), None if it adds up nowhere."""
    unmatched = row["role"] == "unmatched"
    if not (row["counted"] or unmatched):
        return None
    sides = ("dst", "src") if row["initiator"] == "dst" else ("src", "dst")
    port = row["service_port"] if row["initiator"] else None
    return *sides, port, "unmatched" if unmatched else row["verdict"]


def total():
    return dict.fromkeys(SUMMED, 0) | {
        "first_seen": None, "last_seen": None, "addresses": set(), "ports": set()
    }  # fmt: skip


def add(sums, row, client, port):
    forth = client == "src"
    way = "server" if forth else "client"
    sums["records"] += 1
    flags = row["tcp_flags"] or 0
    sums["connections"] += bool(
        row["initiator"] == "src" and flags & 2 and not flags & 16
    )
    sums[f"packets_to_{way}"] += row["packets"] or 0
    sums[f"bytes_to_{way}"] += row["bytes"] or 0
    first, last = sums["first_seen"], sums["last_seen"]
    sums["first_seen"] = min(first or row["start_time"], row["start_time"])
    sums["last_seen"] = max(last or row["end_time"], row["end_time"])
    if row[f"{client}_address"] is not None:
        sums["addresses"].add(row[f"{client}_address"])
    if port is not None:
        sums["ports"].add(port)


def edges_of(rows):
    counts: Any = defaultdict(lambda: defaultdict(int))
    for row in rows:
        if (what := told(row)) and what[2] is not None:
            counts[edge_key(row, what)][what[2]] += 1
    kept = {key: sorted(ports, key=lambda p: (-ports[p], p))[:PORTS]
            for key, ports in counts.items()}  # fmt: skip
    sums: Any = defaultdict(total)
    for row in rows:
        if what := told(row):
            key, port = edge_key(row, what), what[2]
            place = port if port is None or port in kept[key] else "folded"
            add(sums[*key, place], row, what[0], port)
    return {
        (*key, None if place == "folded" else place, len(s["ports"])):
        (*(s[n] for n in SUMMED), s["first_seen"], s["last_seen"],
         len(s["addresses"]))
        for (*key, place), s in sums.items()
    }  # fmt: skip


def edge_key(row, what):
    client, server, _, verdict = what
    return (*end(row, client, END), *end(row, server, END), row["protocol"], verdict,
            row["reject_cause"], row["scope"])  # fmt: skip


def endpoints_of(rows):
    sums: Any = defaultdict(total)
    for row in rows:
        if what := told(row):
            client, server, port, verdict = what
            for mine, peer, role in ((client, server, "client"),
                                     (server, client, "server")):  # fmt: skip
                if row.get(f"{mine}_pod") or row.get(f"{mine}_eni"):
                    key = (*end(row, mine, PLACE), role, *end(row, peer, END[:4]),
                           verdict)  # fmt: skip
                    add(sums[key], row, client, port)
    return {key: (*(s[n] for n in SUMMED), s["first_seen"], s["last_seen"])
            for key, s in sums.items()}  # fmt: skip


def rejections_of(rows):
    rejected = [(row, what) for row in rows
                if (what := told(row)) and what[3] == "rejected"]  # fmt: skip
    counts: Any = defaultdict(lambda: defaultdict(int))
    for row, (client, server, *_) in rejected:
        source = (row[f"{client}_address"], *end(row, client, (*END[:4], "pod")))
        counts[end(row, server, PLACE)][source] += 1
    sums: Any = defaultdict(total)
    ports: Any = defaultdict(set)
    placed = []
    for row, (client, server, port, _) in rejected:
        place = end(row, server, PLACE)
        source = (row[f"{client}_address"], *end(row, client, (*END[:4], "pod")))
        if source not in first_sources(counts[place]):
            source = (None, "other", *source[2:5], None)
        if port is not None:
            ports[source, place].add(port)
        placed.append((row, client, source, place, port))
    for row, client, source, place, port in placed:
        folds = port is not None and len(ports[source, place]) > PORTS
        shown = "folded" if folds else port
        key = (*source, *place, row["protocol"], row["reject_cause"], shown)
        add(sums[key], row, client, port)
    return {
        (*key, None if shown == "folded" else shown, len(s["ports"])):
        (s["records"], s["packets_to_server"] + s["packets_to_client"],
         s["bytes_to_server"] + s["bytes_to_client"], s["first_seen"], s["last_seen"],
         len(s["addresses"]))
        for (*key, shown), s in sums.items()
    }  # fmt: skip


def first_sources(counts):
    def nulls_last(source):
        return [(value is None, value or "") for value in source]

    return sorted(counts, key=lambda s: (-counts[s], nulls_last(s)))[:SOURCES]


def coverage_of(rows):
    found: Any = defaultdict(lambda: dict.fromkeys(
        ("records", "undecided", "unsettled", "unmatched", "unattributed", "sides",
         "sides_attributed"), 0))  # fmt: skip
    for row in rows:
        sums = found[row["observer"],]
        told_of = [row[f"{side}_attribution"] for side in ("src", "dst")]
        sums["records"] += 1
        sums["undecided"] += row["counted"] is None
        sums["unsettled"] += not row["settled"]
        sums["unmatched"] += row["role"] == "unmatched"
        sums["unattributed"] += "no_identity" in told_of
        sums["sides"] += sum(t is not None for t in told_of)
        sums["sides_attributed"] += sum(t in ("exact", "learned") for t in told_of)
    return {key: tuple(sums.values()) for key, sums in found.items()}


def heard_of(rows):
    """Return windows heard and missing between, first and last, by observer and log."""
    found = {}
    for name in {(row["observer"], row["flow_log_id"]) for row in rows}:
        mine = [(seconds(r["start_time"]), seconds(r["end_time"]))
                for r in rows if (r["observer"], r["flow_log_id"]) == name]  # fmt: skip
        merged: Any = defaultdict(lambda: (1 << 40, 0))  # of each minute, as added up
        for start, end_ in mine:
            first, last = merged[start // 60]
            merged[start // 60] = min(first, start), max(last, end_)
        reach, missing = None, 0
        for first, last in sorted(merged.values()):
            if reach is not None:
                missing += max(0, (first - reach) // 60 - 1)
            reach = last if reach is None else max(reach, last)
        found[name] = len(merged), missing, min(mine)[0], reach
    return found


def seconds(time):
    return int((time - EPOCH).total_seconds())


def expected_of(hours, reach=24):
    """Return {hour: {observer: windows expected}}, of intervals of a minute.

    Args:
        hours: Rows by hour.
        reach: Between hours farther apart nothing is missing.
    """
    told = {hour: heard_of(rows) for hour, rows in sorted(hours.items()) if rows}
    found: Any = defaultdict(lambda: defaultdict(int))
    last: dict[Any, Any] = {}
    for hour, logs in told.items():
        for name, (heard, between, first, end_) in logs.items():
            found[hour][name[0]] += heard + between
            if name in last and hour - last[name][0] <= reach * HOUR:
                for minute in range(-(-last[name][1] // 60) + 1, first // 60):
                    place = EPOCH + timedelta(seconds=minute * 60)
                    found[place.replace(minute=0)][name[0]] += 1
            last[name] = hour, end_
    return {hour: dict(names) for hour, names in found.items()}


CLIENT_SERVER = [f"{e}_{n}" for e in ("client", "server") for n in END]
TIMES = ("first_seen", "last_seen")
SHAPES = {
    EDGES_HOURLY: (
        edges_of,
        (*CLIENT_SERVER, "protocol", "verdict", "reject_cause", "scope",
         "service_port", "distinct_ports"),
        (*SUMMED, *TIMES, "client_addresses"),
    ),
    ENDPOINTS_HOURLY: (
        endpoints_of,
        (*PLACE, "role", *(f"peer_{n}" for n in END[:4]), "verdict"),
        (*SUMMED, *TIMES),
    ),
    REJECTIONS_HOURLY: (
        rejections_of,
        ("source_address", *(f"source_{n}" for n in (*END[:4], "pod")),
         *(f"server_{n}" for n in PLACE), "protocol", "reject_cause", "service_port",
         "distinct_ports"),
        ("records", "packets", "bytes", *TIMES, "source_addresses"),
    ),
    COVERAGE_HOURLY: (
        coverage_of,
        ("observer",),
        ("records", "undecided", "unsettled", "unmatched", "unattributed", "sides",
         "sides_attributed"),
    ),
}  # fmt: skip


def rolled(lake_, table, span="hour"):
    """Return {hour or day: {key: values}} and require that no key is there twice."""
    _, keys, values = SHAPES[EDGES_HOURLY if table is EDGES_DAILY else table]
    found: Any = defaultdict(dict)
    for row in lake_.load(table).scan().to_arrow().to_pylist():
        key = tuple(row[k] for k in keys)
        assert key not in found[row[span]], (table.name, key)
        found[row[span]][key] = tuple(row[v] for v in values)
    return dict(found)


def in_all(edges):
    """Add up edges over their ports, of which a day and its hours fold others."""
    sums: Any = defaultdict(lambda: [0] * len(SUMMED))
    for key, values in edges.items():
        for place in range(len(SUMMED)):
            sums[key[:-2]][place] += values[place]
    return dict(sums)
