"""The lake held against the simulated network's truth: who, how often, what happened.

Run as ``python -m tests.world_laws --records 5M`` (``make laws``). The truth is the
world's own; nothing here knows the rules by which the lake decides.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from demo.simulate import simulate
from demo.spec import SimulationSpec
from ingest.inventory.aws import read_saved
from ingest.inventory.kubernetes.saved import Saved
from ingest.inventory.store import record
from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.reading import plan
from lake.schema import FLOW_FIELDS
from lake.settings import Settings, load_settings
from lake.tables import FLOWS
from tests.lakes import open_lake
from tests.world_rules import Reasons, check_reasons

QUALITIES = ("watch", "gaps", "snapshots", "unseen")
NAMES = ("kind", "pod", "workload", "namespace", "node", "instance", "eni", "subnet",
         "vpc")  # fmt: skip
VAGUE = ("network_interface", "unknown_private")  # kinds that leave open what it is
MOST_UNDETERMINED = 0.02  # share of rejected records
FAR_S = 60  # seconds from a hand-over beyond which a watch must name
KEYS = (
    "source_object", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets",
    "action", "observer",
)  # fmt: skip


@dataclass(slots=True)
class Verdicts:
    """What came out.

    Attributes:
        wrong: Records named wrongly, by side and column.
        named, nameable: Records of pods further than `FAR_S` from a hand-over.
        uneven: Streams whose packets and bytes are not counted as they were sent:
            (scenario, expected, counted as, streams).
        totals: By verdict, packets and bytes counted and sent.
        unjoined: Records of the lake that the truth does not know.
        reasons: Why rejected records were.
    """

    wrong: dict[str, int] = field(default_factory=dict)
    named: int = 0
    nameable: int = 0
    uneven: list[tuple[Any, ...]] = field(default_factory=list)
    totals: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    unjoined: int = 0
    reasons: Reasons = field(default_factory=Reasons)

    @property
    def hold(self) -> bool:
        """Whether nothing is named or counted wrongly."""
        even = all(counted == sent for counted, sent in self.totals.values())
        wrong = any(self.wrong.values()) or self.reasons.wrong
        return even and not (wrong or self.uneven or self.unjoined)

    @property
    def share(self) -> float:
        """The share that is named of what a watch must name."""
        return self.named / max(1, self.nameable)


def make_world(place: Path, **spec: Any) -> Path:
    """Simulate a network; return its folder."""
    simulate(SimulationSpec(out=str(place), shape="network", **spec))
    return place


def take_inventory(lake: Lake, world: Path, quality: str) -> None:
    """Record what AWS and the clusters tell of the world, the latter well or badly."""
    saved = world / "inventory"
    for folder in sorted(saved.glob("aws*")):
        record(lake, list(read_saved([folder])))
    for cluster in sorted((saved / f"kubernetes-{quality}").iterdir()):
        record(lake, list(Saved([cluster], cluster=cluster.stem)))


def fill(settings: Settings, world: Path, quality: str) -> None:
    """Make a lake of a world: its inventory, then all its flow logs, not rolled up."""
    with open_lake(settings) as lake:
        take_inventory(lake, world, quality)
        Ingest(lake, Request((str(world / "AWSLogs"),), roll_up=False)).run()


def check(settings: Settings, world: Path) -> Verdicts:
    """Hold a lake against the truth of its world."""
    with Lake(settings) as lake, duckdb.connect() as con:
        files = plan(FLOWS, lake.load(FLOWS)).files
        define(con, [f.removeprefix("file://") for f in files], world)
        found = Verdicts()
        _check_names(con, found)
        _check_counts(con, found)
        found.reasons = check_reasons(con, world)
    return found


def define(con: Any, files: list[str], world: Path) -> None:
    """Make the table ``joined`` of a lake's files: each record with its stream."""
    con.execute(
        "CREATE TABLE stored AS SELECT * FROM read_parquet($files, union_by_name=true)",
        {"files": files},
    )
    there = {name for (name, *_) in con.execute("DESCRIBE stored").fetchall()}
    missing = [f.name for f in FLOW_FIELDS if f.name not in there]
    for name in missing:
        con.execute(f"ALTER TABLE stored ADD COLUMN {name} VARCHAR")
    for name in ("records", "streams"):
        con.execute(
            f"CREATE VIEW true_{name} AS SELECT * FROM '{world}/truth/{name}.parquet'"
        )
    keys = " AND ".join(f"f.{k} IS NOT DISTINCT FROM t.{k}" for k in KEYS)
    truth = ", ".join(
        f"t.{side}_{name} AS true_{side}_{name}"
        for side in ("src", "dst")
        for name in NAMES
    )
    con.execute(f"""
        CREATE TABLE joined AS
        SELECT f.*, t.stream, t.scenario, t.handover_s, {truth}
        FROM stored f JOIN true_records t ON {keys}
          AND epoch(f.start_time) = t.start AND epoch(f.end_time) = t."end"
          AND f.bytes IS NOT DISTINCT FROM t.bytes
          AND (f.pkt_srcaddr IS NULL OR f.src_address = t.src_address)
          AND (f.pkt_dstaddr IS NULL OR f.dst_address = t.dst_address)
          AND (f.flow_direction IS NULL OR f.flow_direction = t.direction)
    """)  # names of ours


def _check_names(con: Any, found: Verdicts) -> None:
    stored, joined = (
        con.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("stored", "joined")
    )
    found.unjoined = abs(stored - joined)
    for side in ("src", "dst"):
        for name in NAMES:
            mine, true = f"{side}_{name}", f"true_{side}_{name}"
            # A peer's VPC is told by the peering; the world leaves it nobody's.
            known = f"true_{side}_kind <> 'unknown_private'"
            if name == "kind":  # without packet addresses a node stands for its pods
                known += f" AND {mine} NOT IN {VAGUE}"
                known += f" AND {side}_attribution IS DISTINCT FROM 'no_pkt_addr'"
            (found.wrong[mine],) = con.execute(f"""
                SELECT count(*) FROM joined
                WHERE {mine} IS NOT NULL AND {mine} IS DISTINCT FROM {true} AND {known}
            """).fetchone()
        named, nameable = con.execute(f"""
            SELECT count({side}_pod), count(*) FROM joined
            WHERE true_{side}_kind = 'pod'
              AND coalesce(handover_s, 1e9) > {FAR_S}
        """).fetchone()
        found.named += named
        found.nameable += nameable


def _check_counts(con: Any, found: Verdicts) -> None:
    con.execute("""
        CREATE VIEW counted AS
        SELECT stream, if(role = 'unmatched', 'unmatched', verdict) AS what,
          sum(packets) AS packets, coalesce(sum(bytes), 0) AS bytes
        FROM joined WHERE counted OR role = 'unmatched' GROUP BY ALL
    """)
    con.execute("""
        CREATE VIEW sent AS
        SELECT stream, any_value(scenario) AS scenario, expected AS what,
          sum(packets) AS packets,
          sum(if(cause = 'block_public_access', 0, bytes)) AS bytes
        FROM true_streams WHERE expected <> 'invisible' GROUP BY stream, expected
    """)
    found.uneven = con.execute("""
        SELECT scenario, s.what, c.what, count(*)
        FROM sent s FULL JOIN counted c ON s.stream = c.stream AND s.what = c.what
        WHERE s.packets IS DISTINCT FROM c.packets OR s.bytes IS DISTINCT FROM c.bytes
        GROUP BY ALL ORDER BY ALL
    """).fetchall()
    sums = "SELECT what, sum(packets), sum(bytes) FROM {} GROUP BY 1"
    counted = {w: v for w, *v in con.execute(sums.format("counted")).fetchall()}
    sent = {w: v for w, *v in con.execute(sums.format("sent")).fetchall()}
    for what in sorted({*counted, *sent}):
        found.totals[what] = counted.get(what), sent.get(what)


def main() -> None:
    """Make a world and a lake of it for each inventory, check the laws, print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", default="5M")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quality", choices=QUALITIES, action="append")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp())
    records = int(options.records.replace("M", "000k").replace("k", "000"))
    hold = True
    try:
        world = make_world(place / "world", records=records, seed=options.seed)
        for quality in options.quality or QUALITIES:
            settings = load_settings(lake=str(place / quality))
            fill(settings, world, quality)
            found = check(settings, world)
            shutil.rmtree(place / quality)
            _tell(quality, found)
            hold &= found.hold and (found.share >= 0.99 or quality != "watch")
            hold &= found.reasons.undetermined <= MOST_UNDETERMINED
    finally:
        shutil.rmtree(place)
    sys.exit(0 if hold else 1)


def _tell(quality: str, found: Verdicts) -> None:
    print(f"{quality}:")
    for what, (counted, sent) in found.totals.items():
        print(f"  {what}: counted {counted}, sent {sent} (packets, bytes)")
    print(f"  named wrongly: {sum(found.wrong.values())} {found.wrong}")
    far = f"{found.named} of {found.nameable} ({found.share:.2%})"
    print(f"  pods named beyond {FAR_S} s: {far}")
    reasons = found.reasons
    print(f"  rejected for: {dict(reasons.told)}")
    print(f"  wrong: {reasons.wrong}, undetermined: {reasons.undetermined:.2%}")
    print(f"  streams counted otherwise than sent: {found.uneven}", flush=True)


if __name__ == "__main__":
    main()
