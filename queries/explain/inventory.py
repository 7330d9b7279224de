"""All that was configured, in memory, so that what surrounds an interface is near."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from queries.engine import Engine, Pinned
from transform.policy.rule_ids import by_group

MOST_BYTES = 256 << 20  # in memory; an estate of 10,000 interfaces has a quarter
INTERFACE, GROUP, RULE, LISTS = (
    "network_interface", "security_group", "security_group_rule", "prefix_list",
)  # fmt: skip
# What every packet may pass; what holds for subnets.
SHARED = (
    "vpc", "vpc_peering_connection", "transit_gateway", "transit_gateway_attachment",
)  # fmt: skip
PLACING = ("network_acl", "route_table")
_OWN = re.compile(r'"(?:GroupId|SubnetId)": ?"([^"]+)"')
_REFERRED = re.compile(r'"(?:GroupId|(?:Destination)?PrefixListId)": ?"([^"]+)"')


class Inventory:
    """Rows of `configurations`, by their type.

    Args:
        rows: All of the table; those of other types are not kept.
    """

    def __init__(self, rows: pa.Table) -> None:
        types = rows["resource_type"]
        self._of = {
            kind: rows.filter(pc.equal(types, kind)).combine_chunks()
            for kind in (INTERFACE, GROUP, RULE, LISTS, "subnet", *SHARED, *PLACING)
        }
        documents = self._of[INTERFACE]["document"]
        balances = pc.match_substring(documents, "network_load_balancer")
        self._balancers = self._of[INTERFACE].filter(balances)
        self._sort_rules()

    def around(self, interfaces: Sequence[str], subnets: Sequence[str]) -> pa.Table:
        """Return what decides about packets at interfaces, as ``around.sql`` does.

        Of what holds for a subnet at any time all versions, also those that do not. A
        Network Load Balancer's interfaces lend their groups to others' addresses.

        Args:
            interfaces: Ids.
            subnets: Ids of others.
        """
        own = self._named(INTERFACE, interfaces)
        names = sorted({*named(own, _OWN), *subnets})
        lent = pc.invert(_is_of(self._balancers, interfaces))
        return pa.concat_tables(
            [
                own,
                *(self._of[kind] for kind in SHARED),
                self._named("subnet", names),
                self._named(GROUP, names),
                *(self._placed(kind, names) for kind in PLACING),
                self._balancers.filter(lent),
            ]
        )

    def named(
        self, referred: Sequence[str], lists: Sequence[str], groups: Sequence[str]
    ) -> pa.Table:
        """Return what rules name, as ``named.sql`` does.

        Args:
            referred: Ids of other groups, of which their VPC alone is told.
            lists: Ids of prefix lists.
            groups: Ids of the groups whose rules have ids.
        """
        others = self._named(GROUP, referred)
        bare = pa.array(map(_bare, others.to_pylist()), pa.string())
        place = others.schema.get_field_index("document")
        field = others.schema.field(place)
        return pa.concat_tables(
            [
                others.set_column(place, field, bare.cast(field.type)),
                self._named(LISTS, lists),
                *(self._rules_of(group) for group in groups),
            ]
        )

    def _sort_rules(self) -> None:
        """Set rules of one group side by side: there are a hundred times as many."""
        codes, self._code = by_group(self._of[RULE]["document"])
        order = np.argsort(codes, kind="stable")
        self._of[RULE] = self._of[RULE].take(order)
        self._codes = codes[order]

    def _rules_of(self, group: str) -> pa.Table:
        code = self._code.get(group, len(self._code))
        first, last = np.searchsorted(self._codes, [code, code + 1]).tolist()
        return self._of[RULE][first:last]

    def _named(self, kind: str, ids: Sequence[str]) -> pa.Table:
        rows = self._of[kind]
        return rows.filter(_is_of(rows, ids))

    def _placed(self, kind: str, names: Sequence[str]) -> pa.Table:
        """Return ACLs or route tables that were ever one of subnets', or main ones."""
        rows = self._of[kind]
        said = [f'"{re.escape(name)}"' for name in names]
        if kind == "route_table":
            said.append('"Main": ?true')
        if not said:
            return rows[:0]
        has = pc.match_substring_regex(rows["document"], "|".join(said))
        return self._named(kind, rows["resource_id"].filter(has).to_pylist())


def _is_of(rows: pa.Table, ids: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(rows["resource_id"], pa.array(ids, pa.string()))


def _bare(row: dict[str, Any]) -> str:
    vpc = row["vpc"] or json.loads(row["document"]).get("VpcId") or ""
    named = {"GroupId": row["resource_id"], "VpcId": vpc}
    return json.dumps(named, separators=(",", ":"))


def named(rows: pa.Table, names: re.Pattern[str] = _REFERRED) -> list[str]:
    """Return the ids that documents name: of groups and prefix lists, or others."""
    texts = pc.unique(rows["document"]).to_pylist()
    return sorted({name for text in texts for name in names.findall(text)})


def inventory_of(engine: Engine, pinned: Pinned) -> Inventory | None:
    """Return what is configured; None: it is too much for memory. Kept.

    Args:
        engine: Over the lake.
        pinned: The table `configurations`.
    """

    def make() -> Inventory | None:
        with (
            engine.session([engine.plan(pinned)]) as session,
            session.stream("FROM configurations") as reader,
        ):
            batches, size = [], 0
            for batch in reader:
                batches.append(batch)
                size += batch.nbytes
                if size > MOST_BYTES:
                    return None
            return Inventory(pa.Table.from_batches(batches, reader.schema))

    found: Inventory | None = engine.inventories.get(pinned.metadata, make)
    return found
