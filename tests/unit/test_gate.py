"""The one place where a request becomes a principal; no route goes around it."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from api import cli
from api.access.gate import Gate, requires
from api.access.keys import Keys
from api.access.oidc import Tokens
from api.access.principal import LOCAL, Principal, Scope
from api.app import create_app
from api.problems import MEDIA_TYPE, STATUSES
from lake import errors
from lake.errors import AccessUnavailable, NotAuthenticated, SettingsError
from lake.settings import load_settings
from queries.limits import UNLIMITED, Limits
from tests.processes import flowlake as command

PUBLIC = {"/", "/docs", "/openapi.json", "/healthz", "/readyz"}
LIMITED = Limits(accounts=frozenset({"123456789012"}))
PEPPER = "a pepper of the tests"


def make(settings, *scopes, name="dash", limits=UNLIMITED):
    with closing(Keys(settings)) as keys:
        now = datetime.now(UTC)
        key, _ = keys.create(
            name, frozenset(scopes), limits=limits, now=now, expires=None
        )
    return key.text


@pytest.fixture
def client(settings):
    with TestClient(create_app(settings)) as opened:
        yield opened


def bearer(text):
    return {"authorization": f"Bearer {text}"}


def told(response):
    """Return the status and kind of a problem."""
    assert response.headers["content-type"] == MEDIA_TYPE
    return response.status_code, response.json()["type"].removeprefix("/docs#")


def declared(dependant):
    """Return the scopes that a route asks for, wherever it does."""
    found = set(dependant.own_oauth_scopes or ())
    return found.union(*map(declared, dependant.dependencies))


def routes(app):
    """Return (path, methods, scopes) of every route."""
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context, "dependant", None)
        scopes = declared(dependant) if dependant else set()
        yield context.path, context.methods, scopes


def test_every_route_is_public_by_name_or_declares_one_scope(settings):
    found = list(routes(create_app(settings)))
    assert {path for path, _, scopes in found if not scopes} == PUBLIC
    for path, _, scopes in found:
        if path not in PUBLIC:
            assert len(scopes) == 1, path
            assert scopes < set(Scope), path
    by_path = {path: scopes for path, _, scopes in found}
    assert by_path["/v1/status"] == {"status"}
    assert by_path["/v1/reports"] == by_path["/v1/reports/{name}"] == {"reports"}
    assert by_path["/v1/flows"] == by_path["/v1/reports/records"] == {"flows"}


def test_every_other_route_answers_nobody_without_its_scope(settings, client):
    lacking = {
        scope: bearer(make(settings, *(set(Scope) - {scope}), name=f"no-{scope}"))
        for scope in Scope
    }
    tried = 0
    for path, methods, scopes in routes(client.app):
        for scope in scopes:
            for method in methods | ({"HEAD"} if "GET" in methods else set()):
                unknown = client.request(method, path)
                refused = client.request(method, path, headers=lacking[scope])
                assert (unknown.status_code, refused.status_code) == (401, 403), path
                if method != "HEAD":
                    assert told(unknown) == (401, "not-authenticated")
                    assert told(refused) == (403, "scope-missing")
                    assert scope in refused.json()["detail"]
                assert refused.headers["www-authenticate"] == (
                    'Bearer realm="flowlake", error="insufficient_scope", '
                    f'scope="{scope}"'
                )
                tried += 1
    assert tried >= 14


def test_public_paths_ask_for_nothing_even_where_a_key_is_needed(settings):
    make(settings, Scope.REPORTS)
    with TestClient(create_app(settings), follow_redirects=False) as client:
        for path in PUBLIC - {"/readyz"}:
            assert client.get(path).status_code in (200, 307), path
        assert told(client.get("/readyz")) == (503, "lake-missing")


def test_a_key_opens_by_either_header_and_never_by_the_query(settings, client):
    key = make(settings, Scope.REPORTS)
    path = "/v1/reports"
    assert client.get(path, headers=bearer(key)).status_code == 200
    assert client.get(path, headers={"Authorization": f"bEARER {key}"}).is_success
    assert client.get(path, headers={"x-api-key": key}).status_code == 200
    for name in ("api_key", "key", "access_token", "X-API-Key", "authorization"):
        assert told(client.get(path, params={name: key})) == (401, "not-authenticated")
    assert client.get(path, headers={"cookie": f"X-API-Key={key}"}).is_error
    for headers in (
        {"authorization": f"Basic {key}"},
        {"authorization": key},
        {"authorization": "Bearer"},
        {"x-api-key": ""},
        {"x-api-key": f"Bearer {key}"},
    ):
        assert client.get(path, headers=headers).status_code == 401


def test_a_refusal_says_how_to_authenticate_and_what_to_do(settings, client):
    key = make(settings, Scope.REPORTS)
    path = "/v1/reports"
    nothing = client.get(path)
    assert nothing.headers["www-authenticate"] == 'Bearer realm="flowlake"'
    assert "X-API-Key" in nothing.json()["detail"]
    both = client.get(path, headers={**bearer(key), "x-api-key": key})
    strange = client.get(path, headers=bearer("abc"))
    for refused in (both, strange, client.get(path, headers=bearer(key[:-1]))):
        assert told(refused) == (401, "not-authenticated")
        assert "invalid_token" in refused.headers["www-authenticate"]
        assert key not in refused.text
    assert "flk_" in strange.json()["detail"]
    page = client.get("/docs").text
    for kind in ("not-authenticated", "scope-missing", "limits-missing"):
        assert f"id='{kind}'" in page


def test_loopback_without_keys_serves_everybody_until_there_is_one(settings, client):
    assert Gate(settings).principal(None, None) == LOCAL
    assert client.get("/v1/reports").status_code == 200
    key = make(settings, Scope.REPORTS)
    assert client.get("/v1/reports").status_code == 401
    assert client.get("/v1/reports", headers=bearer(key)).status_code == 200
    with closing(Keys(settings)) as keys:
        keys.revoke(key, datetime.now(UTC))
    again = TestClient(create_app(settings))
    for opened in (client, again):  # not everybody, only because nobody has a key
        assert opened.get("/v1/reports").status_code == 401


OIDC = {"oidc_issuer": "https://issuer.example", "oidc_audience": "flowlake"}


@pytest.mark.parametrize(
    "given",
    [
        {"auth": "required"},
        {"keys": "sqlite:////nowhere/at/all.sqlite"},
        OIDC,
        {"host": "0.0.0.0"},  # noqa: S104
        {"host": "::"},
        {"host": "10.0.0.5"},
        {"host": "flowlake.example"},
        {"host": ""},
    ],
)
def test_what_is_configured_or_reached_from_elsewhere_serves_nobody(settings, given):
    gate = Gate(load_settings(lake=settings.lake, **given))
    assert gate.is_guarded
    for text in (None, "", "abc", "flk_abc"):
        with pytest.raises(NotAuthenticated):
            gate.principal(None, text)
        with pytest.raises(errors.AccessError):
            gate.principal(text and "flk_abc", None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_loopback(settings, host):
    assert not Gate(load_settings(lake=settings.lake, host=host)).is_guarded


def test_serving_others_without_a_way_to_tell_who_asks_is_refused(settings):
    for host in ("0.0.0.0", "10.0.0.5", "::"):  # noqa: S104
        elsewhere = load_settings(lake=settings.lake, host=host)
        with pytest.raises(SettingsError, match=r"flowlake keys.*OIDC_ISSUER"):
            Gate(elsewhere).check()
    Gate(load_settings(lake=settings.lake)).check()
    make(settings, Scope.REPORTS)
    for given in ({}, {"auth": "required"}, OIDC):
        with structlog.testing.capture_logs() as logged:
            Gate(load_settings(lake=settings.lake, host="10.0.0.5", **given)).check()
        assert [line["event"] for line in logged] == ["serving_in_the_clear"]


def test_serve_says_what_to_do_and_ends_with_2(tmp_path):
    done = command("serve", "--host", "0.0.0.0", "--port", "0", lake=tmp_path)  # noqa: S104
    assert done.returncode == 2
    assert "flowlake keys create" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_serve_refuses_another_pepper_and_an_audit_log_it_cannot_write(
    settings, monkeypatch
):
    make(settings, Scope.REPORTS)
    served: list[str] = []
    monkeypatch.setattr("uvicorn.run", lambda app, **more: served.append(more["host"]))
    monkeypatch.setenv("FLOWLAKE_LAKE", settings.lake)
    cli.serve(host=None, port=0)
    assert len(served) == 1
    monkeypatch.setenv("FLOWLAKE_KEY_PEPPER", PEPPER)
    with pytest.raises(SettingsError, match="FLOWLAKE_KEY_PEPPER"):
        cli.serve(host=None, port=0)
    monkeypatch.delenv("FLOWLAKE_KEY_PEPPER")
    monkeypatch.setenv("FLOWLAKE_AUDIT", settings.lake)
    with pytest.raises(SettingsError, match="FLOWLAKE_AUDIT"):
        cli.serve(host=None, port=0)
    assert len(served) == 1


def test_a_limited_key_is_refused_where_answers_are_not_limited(settings):
    path = "/v1/status"
    key = make(settings, *Scope, limits=LIMITED)
    with TestClient(create_app(settings)) as client:
        assert told(client.get(path, headers=bearer(key))) == (403, "unlimited-only")
        assert client.get("/v1/reports", headers=bearer(key)).status_code == 200
        other = make(settings, *Scope)
        assert told(client.get(path, headers=bearer(other))) == (503, "lake-missing")


class OneToken(Tokens):
    """Takes one token."""

    def __init__(self):
        pass

    def principal(self, token):
        if token != "a.b.c":  # noqa: S105
            raise NotAuthenticated("the token is refused")
        return Principal("ada", "oidc:ada", frozenset({Scope.REPORTS}), UNLIMITED)


def test_keys_and_tokens_are_told_apart(settings):
    key = make(settings, Scope.REPORTS)
    with closing(Gate(settings, tokens=OneToken())) as gate:
        assert gate.principal(key, None).name == "dash"
        assert gate.principal("a.b.c", None).name == "ada"
        for given in ((None, "a.b.c"), ("a.b.d", None), (key[4:], None)):
            with pytest.raises(NotAuthenticated):
                gate.principal(*given)


def test_a_store_that_cannot_be_read_is_503_and_the_log_says_why(settings, client):
    key = make(settings, Scope.REPORTS)
    (settings.lake_path / "keys.sqlite").write_bytes(b"no database" * 100)
    with structlog.testing.capture_logs() as logged:
        refused = client.get("/v1/reports", headers=bearer(key))
        assert client.get("/v1/reports").status_code == 401
    assert told(refused) == (503, "access-unavailable")
    assert refused.headers["retry-after"]
    assert str(settings.lake_path) not in refused.text
    assert str(settings.lake_path) in str(logged)


def test_a_service_without_a_gate_answers_nobody():
    app = FastAPI(dependencies=[requires(Scope.REPORTS)])

    @app.get("/")
    def open_door() -> str:
        raise AssertionError

    refused = TestClient(app, raise_server_exceptions=False).get("/")
    assert refused.status_code == 500


def test_every_refusal_has_a_status():
    kinds = errors.AccessError.__subclasses__()
    assert {STATUSES[kind] for kind in kinds} == {401, 403, 503}
    assert STATUSES[AccessUnavailable] == 503


def test_the_openapi_document_says_what_each_route_asks_for(client):
    document = client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            asked = operation.get("security", [])
            if path in PUBLIC:
                assert asked == []
            else:
                of_records = path.endswith(("/records", "/explain"))
                of_status = path == "/metrics"
                scope = "status" if of_status else path.split("/")[2]
                scope = "flows" if of_records else scope
                assert asked == [{"bearer": [scope]}, {"api_key": [scope]}, {}]
    schemes = document["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["api_key"]["in"]) == (
        "bearer",
        "header",
    )


def test_an_expired_key_is_told_so(settings, client):
    with closing(Keys(settings)) as keys:
        past = datetime.now(UTC) - timedelta(days=2)
        key, _ = keys.create(
            "dash", frozenset(Scope), limits=UNLIMITED, now=past,
            expires=past + timedelta(days=1),
        )  # fmt: skip
    refused = client.get("/v1/reports", headers=bearer(key.text))
    assert told(refused) == (401, "not-authenticated")
    assert "expired" in refused.json()["detail"]
