"""What is saved of an account says the same in one run and in several."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ingest.inventory.aws.saved import read_saved
from ingest.inventory.kubernetes.saved import Saved
from ingest.inventory.store import record
from lake.settings import load_settings
from lake.tables import IDENTITIES, INVENTORY
from tests.kube_objects import node, pod, service
from tests.lakes import open_lake

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def eni(number, **fields):
    return {
        "NetworkInterfaceId": f"eni-{number}",
        "InterfaceType": "interface",
        "OwnerId": "111122223333",
        "VpcId": "vpc-1",
        "SubnetId": "subnet-1",
        "AvailabilityZone": "eu-west-1a",
        "PrivateIpAddress": f"10.0.0.{number}",
        **fields,
    }


def attached(number, instance, **fields):
    return eni(number, Attachment={"InstanceId": instance}, **fields)


def instance(number, **tags):
    return {
        "InstanceId": f"i-{number}",
        "Placement": {"AvailabilityZone": "eu-west-1a"},
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def instances(*some):
    return {"Reservations": [{"OwnerId": "111122223333", "Instances": [*some]}]}


NAME_TAG = [{"Key": "Name", "Value": "of-the-interface"}]
INTERFACES = [
    attached(1, "i-1"),
    attached(2, "i-2", TagSet=NAME_TAG),
    attached(3, "i-3"),
    eni(4, TagSet=NAME_TAG),
    eni(5, InterfaceType="branch"),
    eni(6),
]
NODES = [
    instance(1, Name="web", team="core", **{"eks:cluster-name": "prod"}),
    instance(2, Name="db", **{"kubernetes.io/cluster/prod": "owned"}),
    instance(3),
]
OTHERS = {
    "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "OwnerId": "111122223333",
                 "AvailabilityZone": "eu-west-1a", "AvailabilityZoneId": "euw1-az2"}],
    "VpcEndpoints": [{"VpcEndpointId": "vpce-1", "VpcEndpointType": "Interface",
                      "State": "available", "NetworkInterfaceIds": ["eni-6"],
                      "ServiceName": "com.amazonaws.eu-west-1.ecr.dkr"}],
    "InterfaceAssociations": [{"AssociationId": "a-1", "BranchInterfaceId": "eni-5",
                               "TrunkInterfaceId": "eni-1"}],
}  # fmt: skip


class Told:
    """A lake, told of files run by run."""

    begin = T0

    def __init__(self, place):
        self._place = place
        self._runs = 0
        self._lake = open_lake(load_settings(lake=str(place), owner_key="team"))
        for table in INVENTORY:
            self._lake.ensure(table)

    def run(self, *files, partial=False):
        """Tell of files: the minute of each, and what it holds."""
        self._runs += 1
        for number, (minute, content) in enumerate(files):
            moment = self.begin + timedelta(minutes=minute)
            folder = self._place / f"run-{self._runs}" / "111122223333-eu-west-1"
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"{number}-{moment:%Y%m%dT%H%M%SZ}.json"
            file.write_text(json.dumps(content))
        saved = self._place / f"run-{self._runs}"
        return record(self._lake, list(self._read(saved, partial)))

    def _read(self, saved, partial):
        return read_saved([saved], partial=partial, owner_tag="team")

    def rows(self):
        return self._lake.load(IDENTITIES).scan().to_arrow().to_pylist()

    def known(self):
        rows = (sorted(row.items(), key=str) for row in self.rows())
        return sorted(map(repr, rows))

    def named(self):
        return {(r["address"], r["name"], r["cluster"]) for r in self.rows()}


@pytest.fixture
def told(tmp_path):
    return Told(tmp_path / "lake")


NAMED = {("10.0.0.1", "web", "prod")}
INTERFACE = {"NetworkInterfaces": [attached(1, "i-1")]}


@pytest.mark.parametrize("partial", [True, False])
def test_a_look_without_instances_takes_nothing_from_an_earlier_one(told, partial):
    told.run((0, INTERFACE), (0, instances(NODES[0])))
    told.run((10, INTERFACE), partial=partial)
    (row,) = told.rows()
    assert (row["name"], row["owner"], row["cluster"]) == ("web", "core", "prod")
    assert row["last_seen"] == T0 + timedelta(minutes=10)


def test_instances_that_come_later_name_what_was_seen_before(told):
    told.run((0, INTERFACE))
    done = told.run((10, instances(NODES[0])))
    (row,) = told.rows()
    assert (row["name"], row["owner"], row["cluster"]) == ("web", "core", "prod")
    assert row["last_seen"] == T0
    assert done["identities"].snapshot is not None
    again = told.run((10, instances(NODES[0])))
    assert all(each.snapshot is None for each in again.values())


def test_what_a_look_says_itself_stands(told):
    told.run((0, INTERFACE), (0, instances(NODES[0])))
    told.run((10, INTERFACE), (10, instances(instance(1))))
    assert told.named() == {*NAMED, ("10.0.0.1", None, None)}
    told.run((20, INTERFACE))
    assert told.named() == {*NAMED, ("10.0.0.1", None, None)}


def test_a_whole_list_without_an_instance_says_that_it_is_not_there(told):
    told.run((0, INTERFACE), (0, instances(NODES[0])))
    told.run((10, INTERFACE), (10, instances(NODES[1])))
    assert told.named() == {*NAMED, ("10.0.0.1", None, None)}


def test_an_instance_gives_its_name_only_to_interfaces_on_it(told):
    told.run((0, INTERFACE), (0, instances(NODES[0])))
    told.run((10, {"NetworkInterfaces": [attached(1, "i-9")]}))
    assert told.named() == {*NAMED, ("10.0.0.1", None, None)}


def test_an_older_look_is_explained_by_what_was_so_then(told):
    told.run((0, instances(instance(1, Name="old"))))
    told.run((20, instances(instance(1, Name="new"))))
    told.run((10, INTERFACE))
    assert {r["name"] for r in told.rows()} == {"old"}


SOME_INTERFACES = st.lists(st.sampled_from(INTERFACES), unique_by=id)


def with_trunk(some):
    """Return interfaces, a branch never without the trunk that carries it.

    Of a branch that was listed after its trunk had gone, which cannot be, runs tell
    different things: on which instance it is, the trunk alone says.
    """
    trunk, branch = INTERFACES[0], INTERFACES[4]
    return [*some, trunk] if branch in some and trunk not in some else some


@st.composite
def files(draw):
    """Return files in the order of time: the run of each, its minute, its content."""
    seen = [
        {"NetworkInterfaces": with_trunk(draw(SOME_INTERFACES))}
        for _ in range(draw(st.integers(1, 3)))
    ]
    told = [{name: some} for name, some in OTHERS.items()]
    seen += draw(st.lists(st.sampled_from(told), unique_by=id))
    seen.append(instances(*NODES))
    minutes = [draw(st.sampled_from([0, 10, 20])) for _ in seen]
    several = [name for one in seen for name in one]
    if len({*zip(minutes, several, strict=True)}) < len(seen):  # a list once a moment
        minutes = [10 * number for number in range(len(seen))]
        minutes = draw(st.permutations(minutes))
    order = sorted(zip(minutes, seen, strict=True), key=lambda file: file[0])
    cuts = draw(st.lists(st.booleans(), min_size=len(seen), max_size=len(seen)))
    return [(sum(cuts[: n + 1]), *file) for n, file in enumerate(order)]


# -- clusters --------------------------------------------------------------------------


class Clusters(Told):
    """A lake, told of what kubectl printed of one cluster."""

    begin = T0 + timedelta(hours=1)  # all pods have begun

    def _read(self, saved, partial):
        return Saved([saved], cluster="c", partial=partial)


def listed(*items):
    return {"kind": "List", "items": [*items]}


N1, N2 = node(), node("n2", "10.0.0.101")
N2["spec"] = {"providerID": "aws:///us-east-1a/i-0fedcba9876543210"}
SERVICES = listed(service("web", {"app": "web"}), service("x", namespace="sys"))
PODS = [pod("web-0"), pod("web-1", "10.0.0.2", node="n2"), pod("job-0", "10.0.0.3")]
DNS = pod("dns-0", "10.0.9.9", namespace="sys")


def test_pods_keep_instances_and_services_that_other_looks_told(tmp_path):
    told = Clusters(tmp_path / "lake")
    told.run((0, listed(N1)), (0, SERVICES), (0, listed(PODS[0], DNS)))
    told.run((10, listed(PODS[0], DNS)))
    (row,) = (row for row in told.rows() if row["pod"] == "web-0")
    assert (row["instance"], row["k8s_service"]) == ("i-0123456789abcdef0", "web")
    assert row["last_seen"] == told.begin + timedelta(minutes=10)
    told.run((20, listed(PODS[0], DNS)), (20, listed(service("x", namespace="sys"))))
    services = {r["k8s_service"] for r in told.rows() if r["pod"] == "web-0"}
    assert services == {"web", None}  # no service selects it any more


def test_nodes_that_come_later_place_the_pods_that_were_seen_before(tmp_path):
    told = Clusters(tmp_path / "lake")
    told.run((0, listed(*PODS, DNS)))
    young = node("n2", "10.0.0.101")
    young["metadata"]["creationTimestamp"] = "2026-01-01T00:04:00Z"
    told.run((10, listed(N1, young)))
    placed = {r["pod"]: r["instance"] for r in told.rows() if r["pod"]}
    assert placed.pop("web-1") is None  # its node was another one of that name
    assert {*placed.values()} == {"i-0123456789abcdef0"}


@st.composite
def cluster_files(draw):
    """Return files in the order of time: the run of each, its minute, its content."""
    # Labels are not kept: which service selects a pod, services beside it tell.
    seen = [(0, listed(*PODS, DNS)), (0, SERVICES)]
    for minute in draw(st.lists(st.sampled_from([10, 20, 30]), unique=True)):
        some = draw(st.lists(st.sampled_from(PODS), unique_by=id))
        seen.append((minute, listed(*some, pod("x-0", namespace="y"), DNS)))
    seen.append((draw(st.sampled_from([0, 5, 10, 15, 40])), listed(N1, N2)))
    cuts = draw(st.lists(st.booleans(), min_size=len(seen), max_size=len(seen)))
    order = sorted(seen, key=lambda file: file[0])
    return [(sum(cuts[1 : n + 1]) if n > 1 else 0, *f) for n, f in enumerate(order)]


LAWS = settings(max_examples=10, deadline=None, phases=(Phase.explicit, Phase.reuse,
                                                        Phase.generate))  # fmt: skip


def say_the_same(kind, places, several, partial):
    """Read files in one run, and in several, and compare what the lake knows then."""
    one, other = (kind(places.mktemp("lake")) for _ in range(2))
    one.run(*((minute, content) for _, minute, content in several), partial=partial)
    for run in sorted({run for run, *_ in several}):
        some = ((m, c) for number, m, c in several if number == run)
        other.run(*some, partial=partial)
    assert other.known() == one.known()


@LAWS
@given(files(), st.booleans())
def test_files_in_several_runs_say_what_they_say_in_one(
    tmp_path_factory, several, partial
):
    say_the_same(Told, tmp_path_factory, several, partial)


@LAWS
@given(st.permutations([{"NetworkInterfaces": INTERFACES}, instances(*NODES),
                        *({name: some} for name, some in OTHERS.items())]),
       st.booleans())  # fmt: skip
def test_files_of_one_moment_say_the_same_in_any_order(
    tmp_path_factory, several, partial
):
    one, other = (Told(tmp_path_factory.mktemp("lake")) for _ in range(2))
    one.run(*((0, content) for content in several), partial=partial)
    for content in several:
        other.run((0, content), partial=partial)
    assert other.known() == one.known()


@LAWS
@given(cluster_files(), st.booleans())
def test_lists_of_a_cluster_in_several_runs_say_what_they_say_in_one(
    tmp_path_factory, several, partial
):
    say_the_same(Clusters, tmp_path_factory, several, partial)
