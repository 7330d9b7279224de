"""A service without keys answers for loopback's names; no client names its address."""

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api import cli
from api.access.keys import Keys
from api.access.principal import Scope
from api.app import create_app
from api.hosts import is_local, trusted_proxies
from lake.errors import SettingsError
from lake.settings import load_settings
from queries.limits import UNLIMITED

PATHS = ("/healthz", "/docs", "/openapi.json", "/v1/reports", "/nowhere")


def asked(app, host, path="/v1/reports", here="127.0.0.1"):
    """Ask as a browser does that was led here by a name."""
    address = f"[{here}]" if ":" in here else here
    with TestClient(app, base_url=f"http://{address}:8080") as client:
        return client.get(path, headers={"host": host})


@pytest.mark.parametrize("here", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_without_keys_a_name_of_elsewhere_is_refused_wherever_it_asks(settings, here):
    app = create_app(settings)
    for path in PATHS:
        refused = asked(app, "evil.example:8080", path, here)
        assert refused.status_code == 421
        assert refused.json()["type"] == "/docs#misdirected-request"
        assert refused.headers["x-request-id"]
    assert asked(app, "localhost:8080", here=here).status_code == 200


def test_with_keys_any_name_is_answered(settings):
    app = create_app(settings)
    assert asked(app, "flowlake.example").status_code == 421
    with closing(Keys(settings)) as keys:
        now, scopes = datetime.now(UTC), frozenset({Scope.REPORTS})
        keys.create("dash", scopes, limits=UNLIMITED, now=now, expires=None)
    assert asked(app, "flowlake.example").status_code == 401
    assert asked(app, "flowlake.example", "/healthz").status_code == 200
    required = create_app(load_settings(lake=settings.lake, auth="required"))
    assert asked(required, "flowlake.example").status_code == 401


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:8080",
     "localhost:"],
)  # fmt: skip
def test_loopback_has_these_names(host):
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    ["", ":8080", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
     "evil.example:localhost", "localhost@evil.example", "10.0.0.1", "0.0.0.0", "[::]",  # noqa: S104
     "[::2]:1", "::1", "[localhost]", "127.0.0.1:80:80", "localhost:80a", "127.0.0.1/x",
     "[::1", "2130706433", "localhost, evil.example"],
)  # fmt: skip
def test_nothing_else_is_loopback(host):
    assert not is_local(host)


@given(st.text())
def test_any_host_is_judged(host):
    assert is_local(host) in (True, False)


def served(monkeypatch, **variables):
    """Return the application as `flowlake serve` would have it served."""
    kept: dict[str, Any] = {}
    monkeypatch.setattr("uvicorn.run", lambda app, **more: kept.update(more, app=app))
    for name, value in variables.items():
        monkeypatch.setenv(f"FLOWLAKE_{name.upper()}", value)
    cli.serve(host=None, port=0)
    config = uvicorn.Config(**kept, log_config=None)
    config.load()
    return config.loaded_app


@pytest.mark.parametrize(
    ("trusted", "told", "client"),
    [
        (None, "203.0.113.7", "127.0.0.1"),
        ("", "203.0.113.7", "127.0.0.1"),
        ("10.0.0.5", "203.0.113.7", "127.0.0.1"),
        ("10.0.0.5, 127.0.0.0/8", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
    ],
)
def test_the_client_is_who_connects_or_whom_a_trusted_proxy_names(
    settings, monkeypatch, tmp_path, trusted, told, client
):
    given = {"lake": settings.lake, "audit": str(tmp_path / "audit")}
    given |= {} if trusted is None else {"trusted_proxies": trusted}
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own is not asked
    app = served(monkeypatch, **given)
    with TestClient(app, client=("127.0.0.1", 1)) as opened:
        opened.get("/v1/reports", headers={"x-forwarded-for": told})
    assert json.loads((tmp_path / "audit").read_text())["client"] == client


@pytest.mark.parametrize("text", ["*", "proxy.example", "10.0.0.1/8", "10.0.0.1 ::1"])
def test_a_proxy_is_an_address_or_a_network(text):
    with pytest.raises(SettingsError, match="FLOWLAKE_TRUSTED_PROXIES"):
        trusted_proxies(load_settings(trusted_proxies=text))
