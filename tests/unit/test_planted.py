"""Of what AWS and Kubernetes answer the lake holds what it needs, and no word more."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.inventory import documents
from demo.world import build
from ingest.inventory.aws import read_saved
from ingest.inventory.store import record
from lake.settings import load_settings
from lake.tables import CONFIGURATIONS, IDENTITIES
from tests.kube_objects import SECRET, node, pod, service
from tests.lakes import open_lake
from tests.traces import traces
from tests.unit.test_kubernetes_inventory import listed, read, save

BEGIN, END = (datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (0, 1))
PLANTED = "planted-9b1f"
# Fields that AWS has, and that hold what people write or worse.
FREE = ("Description", "UserData", "Comment", "PolicyDocument", "PresharedKey", "Zzz",
        "LaunchTemplate", "Environment", "KeyName", "PublicKeyMaterial")  # fmt: skip
OWN_WORDS = "Interface for NAT Gateway nat-0123456789abcdef0"


def planted(value):
    """Return a document with more in each of its parts, and in its lists of tags."""
    if isinstance(value, list):
        return [planted(each) for each in value]
    if not isinstance(value, dict):
        return value
    more: dict[str, Any] = {name: PLANTED for name in FREE if name not in value}
    if "Key" in value and "Value" in value:
        return value
    if "Tags" in value or "TagSet" in value or "VpcId" in value:
        name = "TagSet" if "TagSet" in value else "Tags"
        tags = [{"Key": "password", "Value": PLANTED}, {"Key": PLANTED, "Value": "x"}]
        more[name] = [*value.get(name, []), *tags]
    return {k: planted(v) for k, v in value.items()} | more | {PLANTED: PLANTED}


@pytest.fixture
def lake(tmp_path):
    with open_lake(load_settings(lake=str(tmp_path / "lake"))) as opened:
        yield opened


def test_planted_words_of_every_answer_of_aws_stay_outside(lake, tmp_path):
    for path, text in documents(build(1, BEGIN, END), []):
        if path.startswith("aws/"):
            place = tmp_path / path
            place.parent.mkdir(exist_ok=True)
            place.write_text(json.dumps(planted(json.loads(text))))
            assert PLANTED in place.read_text()
    record(lake, list(read_saved([tmp_path / "aws"], at=BEGIN, owner_tag="team")))
    rows = lake.load(CONFIGURATIONS).scan().to_arrow()
    assert len(set(rows["resource_type"].to_pylist())) > 8
    assert lake.load(IDENTITIES).scan().to_arrow().num_rows > 10
    assert traces(lake.settings.lake, PLANTED) == []


@pytest.mark.parametrize(("text", "kept"), [(PLANTED, False), (OWN_WORDS, True)])
def test_descriptions_are_kept_if_they_are_of_aws(tmp_path, text, kept):
    interface = {"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "Description": text}
    (tmp_path / "a.json").write_text(json.dumps({"NetworkInterfaces": [interface]}))
    (found,) = read_saved([tmp_path], at=BEGIN)
    (document,) = found.configurations["document"].to_pylist()
    assert (text in document) == kept


LABELS = {
    "app": "web",
    "app.kubernetes.io/part-of": "shop-suite",
    "owner-mail": PLANTED,
}


@pytest.mark.parametrize(
    ("globs", "kept"),
    [
        (("*",), {"web", "shop-suite", PLANTED}),
        (("app", "app.kubernetes.io/*"), {"web", "shop-suite"}),
        ((), set()),
    ],
)
def test_of_kubernetes_only_labels_that_are_listed_come_in(tmp_path, globs, kept):
    objects = [
        pod(f"web-{n}", f"10.0.0.{n}", metadata={"labels": LABELS}) for n in (1, 2)
    ]
    folder = tmp_path / "saved"
    folder.mkdir()
    save(folder, all=listed(*objects, node(), service("web", LABELS)))
    sightings, _ = read(folder)
    settings = load_settings(lake=str(tmp_path / "lake"), inventory_labels=globs)
    with open_lake(settings) as lake:
        record(lake, sightings)
        rows = lake.load(CONFIGURATIONS).scan().to_arrow().to_pylist()
        assert lake.load(IDENTITIES).scan().to_arrow()["k8s_service"].unique()
    texts = [json.loads(r["document"]) for r in rows if r["resource_type"][:3] == "k8s"]
    values = {*LABELS.values()}
    for part in ("labels", "selector"):
        found = [set(text[part].values()) & values for text in texts if part in text]
        assert found
        assert set().union(*found) == kept
    assert traces(settings.lake, SECRET) == []
    assert (traces(settings.lake, PLANTED) == []) == (PLANTED not in kept)
