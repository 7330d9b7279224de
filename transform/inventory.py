"""The inventory made ready to be asked: who held which address, and where it lives."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.tables import CONFIGURATIONS, IDENTITIES, arrow_schema
from transform.addresses import Addresses, parse
from transform.codes import NONE, Coded, coded, last_seen, several, texts_equal
from transform.holders import HOST, Keys, Layer
from transform.intervals import intervals_of, whole_seconds
from transform.kept import Held, keep, recurring
from transform.places import Places, documents_of
from transform.policy.policy import Policy
from transform.presence import EVER, NEVER
from transform.routes import Routes
from transform.shared import put_together
from transform.timeline import Spans

FROM_IDENTITIES = (
    "kind", "cluster", "namespace", "workload", "pod", "node", "instance", "eni",
    "subnet", "vpc", "az", "account", "k8s_service", "aws_service", "owner", "name",
    "forwards",
)  # fmt: skip
USED = (*FROM_IDENTITIES, "source", "scope", "holder", "address", "is_primary",
        "security_groups", "valid_from", "valid_until", "earliest", "latest",
        "last_seen")  # fmt: skip
# What of an interface may be another at another time; its kind and place never are.
OF_ITS_TIME = ("instance", "name", "cluster", "owner", "workload", "node")


class Inventory:
    """Identities and configurations at one state of the lake.

    Args:
        identities: Rows of the table of that name, the columns ``USED`` at least; texts
            may be dictionaries. None: there are none.
        configurations: Likewise.
        networks: The user's labels, CIDR to label.
        owner_key: The tag whose value is the owner.

    Attributes:
        columns: Of each identity, its texts as codes.
        security_groups: Of each identity, a list of texts.
        places: VPCs, subnets, peers.
        routes: Where VPCs send what is not their own.
        policy: What security groups and network ACLs let pass, and when.
        documents: Configurations by resource type.
        pods, nodes, interfaces, publics: Who held an address, by source.
        owned: Which addresses an interface ever had: (code of the interface, address).
        enis: For each interface's code, some identity of it, -1 without one.
        passing: By column, for each interface's code whether its identities differ in
            it: then it is of its time, and known by an interval alone.
        unchecked: For each interface's code, whether it ever was let pass on packets of
            others: AWS does not check that they are to or from itself.
        with_public: For each interface's code, whether it ever had a public address.
        enis_from, enis_until: When each interface's identities are possible; seconds.
        possible: When each identity is possible: begin and end, seconds.
        kept_until: Until when each identity's pod kept its address, beyond what the
            identity tells by itself (see `kept`).
        vpc_of_eni: For each interface's code, its VPC's, ``NONE`` if that is not known.
    """

    def __init__(
        self,
        identities: pa.Table | None = None,
        configurations: pa.Table | None = None,
        *,
        networks: Mapping[str, str] | None = None,
        owner_key: str | None = None,
    ) -> None:
        rows = identities
        if rows is None:
            rows = arrow_schema(IDENTITIES).empty_table()
        if configurations is None:
            configurations = arrow_schema(CONFIGURATIONS).empty_table()
        self.networks = dict(networks or {})
        self.owner_key = owner_key
        self.documents = documents_of(configurations)
        self.places = Places(self.documents)
        self.routes = Routes(self.documents, self.places)
        self.policy = Policy(configurations, self.places)
        self.columns = {name: coded(rows[name]) for name in FROM_IDENTITIES}
        self.security_groups = _with_dictionary(rows["security_groups"])
        self.size = rows.num_rows
        self._is_primary = np.asarray(pc.fill_null(rows["is_primary"], False), bool)
        self._source = texts_equal(rows["source"], "kubernetes")
        self.vpcs, self._vpc = self._resolved_vpcs()
        self.enis = self._latest_of_enis()
        eni, vpc = self.columns["eni"], self.columns["vpc"]
        self.vpc_of_eni = last_seen(eni.codes, vpc.codes, len(eni.words))
        self.unchecked = self._unchecked()
        self._hosts = self._hosting_instances()
        self.passing = {name: self._differ(name) for name in OF_ITS_TIME}
        self._build(rows, configurations)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is known."""
        return self.size == 0 and not self.documents

    def is_primary(self, rows: Any) -> Any:
        """Return which identities are an interface's primary address; -1 is not."""
        if self.size == 0:
            return np.zeros(len(rows), dtype=bool)
        return (rows >= 0) & self._is_primary[np.maximum(rows, 0)]

    def can_host_pods(self, rows: Any) -> Any:
        """Return which identities are of an interface that a Kubernetes node has."""
        if self.size == 0:
            return np.zeros(len(rows), dtype=bool)
        instance = self.columns["instance"].take(rows)
        hosts = np.append(self._hosts, False)[instance]
        return hosts | (instance >= 0) & (self.columns["cluster"].take(rows) >= 0)

    def _hosting_instances(self) -> Any:
        instance = self.columns["instance"]
        hosts = np.zeros(len(instance.words), dtype=bool)
        kube = instance.codes[self._source & (instance.codes >= 0)]
        hosts[kube] = True
        return hosts

    def inferred(self) -> tuple[pa.Array, Any]:
        """Return what rows of any time tell of each identity: its VPC, as resolved.

        And whether pods can be on it. Neither is told by the row alone.
        """
        codes = pa.array(self._vpc, mask=self._vpc < 0)
        everything = np.arange(self.size)
        vpcs = pa.array(self.vpcs, pa.string()).take(codes)
        return vpcs, self.can_host_pods(everything)

    def vpc_code(self, vpc: str | None) -> int:
        """Return a VPC's code in the look-ups, -1 for one that no identity names."""
        return self._codes.get(vpc, NONE) if vpc else NONE

    def _resolved_vpcs(self) -> tuple[list[str], Any]:
        """Return the VPCs and each identity's code; a pod's is its interface's.

        A pod whose VPC nobody tells has a code of its cluster's own, ``~cluster``.
        """
        column = self.columns["vpc"]
        words = column.words.to_pylist()
        codes = column.codes.copy()
        kube = self._source
        for name in ("eni", "instance"):
            told = self.columns[name]
            by_name = last_seen(told.codes, codes, len(told.words))
            missing = (codes < 0) & kube & (told.codes >= 0)
            codes[missing] = by_name[told.codes[missing]]
        cluster = self.columns["cluster"]
        by_cluster = last_seen(cluster.codes, codes, len(cluster.words))
        lone = by_cluster.copy()
        for code in range(len(cluster.words)):
            mine = codes[(cluster.codes == code) & (codes >= 0)]
            if len(np.unique(mine)) > 1:
                lone[code] = NONE
        missing = (codes < 0) & kube & (cluster.codes >= 0)
        codes[missing] = lone[cluster.codes[missing]]
        missing = (codes < 0) & kube & (cluster.codes >= 0)
        codes[missing] = len(words) + cluster.codes[missing]
        words += [f"~{name}" for name in cluster.words.to_pylist()]
        self._codes = {word: code for code, word in enumerate(words)}
        return words, codes

    def _latest_of_enis(self) -> Any:
        """Return for each interface one identity that describes it."""
        eni = self.columns["eni"]
        own = np.where(self._source, NONE, eni.codes)
        return last_seen(own, np.arange(self.size, dtype=np.int32), len(eni.words))

    def _unchecked(self) -> Any:
        some = {
            interface.get("NetworkInterfaceId")
            for interface in self.documents.get("network_interface", ())
            if interface.get("SourceDestCheck") is False
        }
        names = pa.array([*some], pa.string())
        return np.asarray(pc.is_in(self.columns["eni"].words, value_set=names))

    def _differ(self, name: str) -> Any:
        """Return for each interface whether its identities differ in a column."""
        eni, values = self.columns["eni"], self.columns[name].codes
        mine = np.flatnonzero(~self._source & (eni.codes >= 0))
        return several(eni.codes[mine], values[mine], len(eni.words))

    def _build(self, rows: pa.Table, configurations: pa.Table) -> None:
        texts = coded(rows["address"])
        addresses, length = _read_addresses(texts)
        certain, possible = intervals_of(rows)
        self.possible = possible
        cluster = self.columns["cluster"]
        spans = _watched(configurations, cluster)
        eni = np.where(self._source, NONE, self.columns["eni"].codes)
        self.enis_from = np.full(len(self.enis), EVER)
        self.enis_until = np.full(len(self.enis), NEVER)
        known = np.flatnonzero(eni >= 0)
        np.minimum.at(self.enis_from, eni[known], possible[0][known])
        np.maximum.at(self.enis_until, eni[known], possible[1][known])
        theirs = np.flatnonzero((eni >= 0) & addresses.valid)
        self.owned = Keys(eni[theirs], addresses.take(theirs), length[theirs])
        is_pod = texts_equal(rows["kind"], "pod")
        public = ~self._source & (self._vpc < 0)
        self.with_public = np.zeros(len(self.enis), dtype=bool)
        self.with_public[eni[public & (eni >= 0)]] = True
        surely = ~self._source & (certain[0] < EVER)
        told, certain, possible = put_together(rows, surely, certain, possible)
        whose = recurring(rows, self._source)
        held = Held(self.columns, self._vpc, texts.codes, whose, self._source, told,
                    certain, possible)  # fmt: skip
        held, self.kept_until = keep(held, self._source & is_pod)
        told, certain, possible = held.told, held.certain, held.possible

        def layer(which: Any, *, watched: bool = False) -> Layer:
            some = np.flatnonzero(which & addresses.valid & ~told)
            return Layer(
                some,
                self._vpc[some],
                addresses.take(some),
                length[some],
                certain=(certain[0][some], certain[1][some]),
                possible=(possible[0][some], possible[1][some]),
                watcher=cluster.codes[some] if watched else np.full(len(some), -1),
                spans=spans,
                whose=whose[some],
            )

        self.pods = layer(self._source & is_pod, watched=True)
        self.nodes = layer(self._source & ~is_pod, watched=True)
        self.interfaces = layer(~self._source & (self._vpc >= 0))
        self.publics = layer(public)


def _with_dictionary(lists: Any) -> pa.ListArray:
    """Return a column of lists of texts with the texts as a dictionary."""
    whole = lists.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else whole.chunk(0)
    return pa.ListArray.from_arrays(
        whole.offsets, whole.values.dictionary_encode(), mask=pc.is_null(whole)
    )


def _read_addresses(texts: Coded) -> tuple[Addresses, Any]:
    """Read addresses and CIDRs; return their first addresses and prefix lengths."""
    has_slash = np.asarray(pc.match_substring(texts.words, "/"), dtype=bool)
    found = parse(texts.words)
    length = np.full(len(texts.words), HOST, np.int64)
    for place in np.flatnonzero(has_slash).tolist():
        try:
            network = ipaddress.ip_network(texts.words[place].as_py(), strict=False)
        except ValueError:
            continue
        first = parse(pa.array([str(network.network_address)]))
        found.high[place], found.low[place] = first.high[0], first.low[0]
        found.valid[place] = True
        length[place] = network.prefixlen + (96 if network.version == 4 else 0)
    return found.take(texts.codes), length[texts.codes]


def _watched(configurations: pa.Table, cluster: Coded) -> Spans:
    """Return the spans of unbroken watching, by cluster."""
    rows = configurations.filter(
        pa.array(texts_equal(configurations["resource_type"], "k8s_watch"))
    )
    names = coded(rows["resource_id"])
    codes = [cluster.code_of(name) for name in names.words.to_pylist()]
    by = np.array([*codes, NONE], np.int32)[names.codes]
    begin = whole_seconds(rows["valid_from"], up=True)
    end = whole_seconds(pc.coalesce(rows["valid_until"], rows["last_seen"]), up=False)
    sure = np.asarray(pc.is_valid(rows["valid_from"]), dtype=bool)
    kept = np.flatnonzero(sure & (by >= 0) & (begin < end))
    return Spans(by[kept], begin[kept], end[kept])
