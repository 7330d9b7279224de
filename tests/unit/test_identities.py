"""`/v1/identities` says what `flowlake whois` says."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

import api.identities
from api.app import create_app
from ingest.inventory.sighting import SIGHTED, Sighting
from ingest.inventory.store import record
from lake.catalog import Lake
from lake.settings import load_settings
from queries.engine import Engine
from queries.limits import Limits
from queries.whois import as_json, look_up, whois
from tests.lakes import open_lake

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TIME = "2026-01-01T00:00:00Z"


def sighting(hour):
    held = {"source": "aws", "kind": "instance", "holder": "eni-1", "eni": "eni-1",
            "address": "10.0.0.4", "vpc": "vpc-1", "instance": "i-1"}  # fmt: skip
    rows = pa.Table.from_pylist([dict.fromkeys(SIGHTED.names) | held], schema=SIGHTED)
    return Sighting("aws:111111111111:us-east-1", BEGIN.replace(hour=hour), rows,
                    lists=frozenset({"identities"}))  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    settings = load_settings(lake=str(tmp_path_factory.mktemp("lake")))
    with open_lake(settings) as lake:
        record(lake, [sighting(0)])
    return settings


@pytest.fixture
def client(settings):
    with TestClient(create_app(settings)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("address", "more"),
    [
        ("10.0.0.4", {}),
        ("10.0.0.4", {"at": TIME, "vpc": "vpc-1"}),
        ("::ffff:10.0.0.4", {"at": "90m"}),
        ("10.0.0.4", {"vpc": "vpc-404", "limit": 1}),
        ("2001:0DB8::1", {}),
    ],
)
def test_it_is_what_the_command_prints(
    client, settings, monkeypatch, capsysbinary, address, more
):
    monkeypatch.setenv("FLOWLAKE_LAKE", settings.lake)
    response = client.get("/v1/identities", params={"address": address, **more})
    assert response.headers["content-type"] == "application/json"
    capsysbinary.readouterr()
    whois(address, **{"format_": "json", **more})
    assert response.content == capsysbinary.readouterr().out
    if more.get("at") == TIME:
        (held,) = response.json()["identities"]
        assert (held["eni"], response.json()["says"][:5]) == ("eni-1", "eni-1")


def test_what_the_client_has_is_not_looked_up_again(client, settings, monkeypatch):
    params: dict[str, str | int] = {"address": "10.0.0.4", "at": TIME}
    first = client.get("/v1/identities", params=params)
    again = {"if-none-match": first.headers["etag"]}
    same = {**params, "address": "::ffff:10.0.0.4"}
    with monkeypatch.context() as patch:
        patch.setattr(api.identities, "look_up", None)  # to look would now fail
        for asked in (params, same):
            response = client.get("/v1/identities", params=asked, headers=again)
            assert (response.status_code, response.content) == (304, b"")
    for name, value in (
        ("vpc", "vpc-1"),
        ("at", "1d"),
        ("limit", 5),
        ("address", "::"),
    ):
        asked = {**params, name: value}
        response = client.get("/v1/identities", params=asked, headers=again)
        assert response.status_code == 200
    with Lake(settings) as lake:
        record(lake, [sighting(1)])
    response = client.get("/v1/identities", params=params, headers=again)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "address"),
        ("address=", "address"),
        ("address=10.0.0.0/8", "address"),
        ("address=10.0.0.4&at=soon", "at"),
        ("address=10.0.0.4&at=", "at"),
        ("address=10.0.0.4&vpc=", "vpc"),
        ("address=10.0.0.4&vpc=a'b", "vpc"),
        ("address=10.0.0.4&limit=0", "limit"),
        ("address=10.0.0.4&limit=1001", "limit"),
        ("address=10.0.0.4&limit=many", "limit"),
        ("address=10.0.0.4&colour=red", "colour"),
        ("address=10.0.0.4&address=10.0.0.4", "address"),
    ],
)
def test_a_wrong_parameter_is_named(client, query, parameter):
    response = client.get(f"/v1/identities?{query}")
    assert response.status_code == 422
    assert [e["parameter"] for e in response.json()["errors"]] == [parameter]


def seen_by(accounts, settings):
    limits = Limits(accounts=frozenset(accounts))
    with Engine(settings) as engine:
        return look_up(engine, "10.0.0.7", at=None, vpc=None, limit=9, limits=limits)


@pytest.fixture
def two(tmp_path):
    """Return a lake in which an address was of one account, then of another."""
    settings = load_settings(lake=str(tmp_path))
    with open_lake(settings) as lake:
        for hour, account in ((1, "111111111111"), (2, "222222222222")):
            held = {"source": "aws", "kind": "instance", "holder": f"eni-{hour}",
                    "eni": f"eni-{hour}", "address": "10.0.0.7", "account": account,
                    "vpc": f"vpc-{hour}"}  # fmt: skip
            rows = pa.Table.from_pylist(
                [dict.fromkeys(SIGHTED.names) | held], schema=SIGHTED
            )
            record(lake, [Sighting(f"aws:{account}:us-east-1", BEGIN.replace(hour=hour),
                                   rows, lists=frozenset({"identities"}))])  # fmt: skip
    return settings


def test_with_limits_only_holders_within_them_are_told(two):
    found = seen_by({"222222222222"}, two)
    assert found["identities"]["eni"].to_pylist() == ["eni-2"]
    for other in ("eni-1", "vpc-1", "111111111111"):
        assert other not in as_json(found)
    nothing = seen_by({"333333333333"}, two)
    assert nothing["identities"].num_rows == 0
    assert nothing["says"] == "nobody known is in your limits"
