"""Pages of an answer: together just its rows, of one snapshot, for one caller."""

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from lake.settings import load_settings
from tests.lakes import open_lake
from tests.plain_sums import flows_of, put

HOURS = (0, 1, 2)
WINDOW = {"since": "2026-01-01", "until": "2026-01-02"}


@pytest.fixture
def client(answered):
    with TestClient(create_app(answered)) as found:
        yield found


def pages(client, path, **given):
    """Give the rows of each page."""
    asked = {**WINDOW, **given}
    while True:
        body = client.get(path, params=asked).raise_for_status().json()
        yield body["rows"]
        if body["meta"]["next"] is None:
            return
        asked["cursor"] = body["meta"]["next"]


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/v1/reports/conversations", {"by": "address"}),
        ("/v1/reports/rejected_traffic", {"by": "eni", "ports": "all"}),
        ("/v1/flows", {"verdict": "rejected"}),
    ],
)
def test_pages_are_together_the_whole_answer(client, path, given):
    (whole,) = pages(client, path, **given, limit=10_000)
    size = len(whole) // 3 + 1
    parts = list(pages(client, path, **given, limit=size))
    assert len(parts) >= 3
    assert [row for part in parts for row in part] == whole


def test_the_last_page_has_no_link_and_the_others_lead_on(client):
    first = client.get("/v1/flows", params={**WINDOW, "limit": 5})
    assert first.json()["meta"]["more"]
    link = first.headers["link"]
    target, _, relation = link.partition(">; ")
    assert relation == 'rel="next"'
    second = client.get(f"/v1/flows{target.removeprefix('<')}")
    assert len(second.json()["rows"]) == 5
    rejected = {**WINDOW, "limit": 10_000, "verdict": "rejected"}
    last = client.get("/v1/flows", params=rejected)
    assert not last.json()["meta"]["more"]
    assert "link" not in last.headers


def test_all_pages_are_of_one_snapshot(tmp_path):
    """What comes while somebody reads is on no page of theirs."""
    settings = load_settings(lake=str(tmp_path / "lake"))
    with open_lake(settings) as lake:
        put(lake, flows_of(1, HOURS) + flows_of(2, HOURS))
        with TestClient(create_app(settings)) as client:
            first = every(client, limit=9)
            whole = every(client, limit=10_000)
            put(lake, flows_of(3, HOURS))
            second = every(client, limit=9, cursor=first["meta"]["next"])
            now = every(client, limit=10_000)
    assert first["rows"] + second["rows"] == whole["rows"][:18]
    assert second["meta"]["snapshot"] == first["meta"]["snapshot"]
    assert len(now["rows"]) > len(whole["rows"])


def every(client, **given):
    asked = {**WINDOW, "until": "2026-01-03", **given}
    return client.get("/v1/flows", params=asked).raise_for_status().json()


def test_a_cursor_is_of_its_question_alone(client):
    body = client.get("/v1/flows", params={**WINDOW, "limit": 5}).json()
    cursor = body["meta"]["next"]
    other = {**WINDOW, "cursor": cursor, "verdict": "rejected"}
    for path, given in (
        ("/v1/flows", other),
        ("/v1/reports/conversations", {**WINDOW, "cursor": cursor}),
        ("/v1/flows", {**WINDOW, "cursor": cursor[:-2] + "AA"}),
    ):
        answer = client.get(path, params=given)
        assert (answer.status_code, answer.json()["type"]) == (400, "/docs#bad-cursor")


def test_pages_of_one_question_have_tags_of_their_own(client):
    first = client.get("/v1/flows", params={**WINDOW, "limit": 5})
    asked = {**WINDOW, "limit": 5, "cursor": first.json()["meta"]["next"]}
    second = client.get("/v1/flows", params=asked)
    assert first.headers["etag"] != second.headers["etag"]
    known = {"If-None-Match": second.headers["etag"]}
    assert client.get("/v1/flows", params=asked, headers=known).status_code == 304
