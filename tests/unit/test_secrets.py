"""No secret in what is told, whatever fails, nor in any file of the lake."""

import json
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.access.keys import Keys
from api.access.principal import Scope
from api.app import create_app
from ingest.job import Ingest, Request
from lake.catalog import Lake
from lake.secrets import MASK, learn, masked
from lake.settings import load_settings
from queries.limits import UNLIMITED
from tests.lakes import open_lake
from tests.processes import flowlake
from tests.samples import V2, record
from tests.traces import traces

M = "Planted5ecret"
NOBODY = "127.0.0.1:1"
OWN = {
    "FLOWLAKE_KEYS": f"postgresql://flow:{M}-keys@{NOBODY}/keys",
    "FLOWLAKE_KEY_PEPPER": f"{M}-pepper",
    "FLOWLAKE_CURSOR_KEY": f"{M}-cursor",
    "FLOWLAKE_ADDRESS_KEY": f"{M}-address",
    "FLOWLAKE_S3_RETRIES": "0",
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": f"{M}-aws",
    "AWS_SESSION_TOKEN": f"{M}-session",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",
}
SIGNED = f"X-Amz-Security-Token={M}-a&X-Amz-Signature={M}-b"
QUEUE = f"https://u:{M}@sqs.us-east-1.amazonaws.com/123456789012/q"
CATALOGS = {
    "password": {"type": "sql", "uri": f"postgresql://u:{M}@{NOBODY}/db"},
    "odd password": {"type": "sql", "uri": f"postgresql://u:{M}/@{M}@{NOBODY}/db"},
    "token in url": {"type": "rest", "uri": f"http://{NOBODY}/x?token={M}"},
    "credential": {
        "type": "rest",
        "uri": f"http://u:{M}-u@{NOBODY}",
        "credential": f"id:{M}-credential",
        "token": f"{M}-token",
        "s3.secret-access-key": f"{M}-s3",
    },
    "no text": {"type": "sql", "s3.secret-access-key": {"of": M}},
}


def told(*words, **env):
    """Return the exit code of a command and all that it says, at its most talkative."""
    done = flowlake("-vv", *words, **{**OWN, **env})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "debug"),
    [*((name, "0") for name in CATALOGS), ("token in url", "1"), ("no text", "1")],
)
def test_no_catalog_that_fails_tells_its_secrets(name, debug):
    catalog = json.dumps(CATALOGS[name])
    code, said = told("status", FLOWLAKE_CATALOG=catalog, FLOWLAKE_DEBUG=debug)
    assert code in (2, 3)
    assert ("Traceback" in said) == (debug == "1")
    assert M not in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("ingest", f"https://b.s3.amazonaws.com/k?{SIGNED}"), 2),
        (("ingest", f"s3://b/k?{SIGNED}"), 3),
        (("ingest", "--follow-sqs", QUEUE, "--until-empty"), 3),
        (("keys", "list"), 2),
    ],
    ids=lambda given: " ".join(given[:2])[:16] if isinstance(given, tuple) else "",
)
def test_no_command_that_fails_tells_secrets(tmp_path, words, code):
    env = {"AWS_ENDPOINT_URL": f"http://u:{M}@{NOBODY}", "FLOWLAKE_LAKE": str(tmp_path)}
    ended, said = told(*words, **env)
    assert ended == code
    assert MASK in said
    assert M not in said


@pytest.mark.parametrize(
    "broken",
    [
        {"FLOWLAKE_CATALOG": f'{{"token": "{M}"'},
        {"FLOWLAKE_CATALOG": f'["{M}"]'},
        {"FLOWLAKE_KEYS": f"{M}@no url", "words": "keys list"},
        {"FLOWLAKE_KEYS": f"postgresql://u:{M}@h:port/x", "words": "keys list"},
        {"FLOWLAKE_PORT": f"postgresql://u:{M}@h/x"},
    ],
    ids=str,
)
def test_settings_that_are_refused_are_not_repeated(broken):
    words = broken.get("words", "settings").split()
    code, said = told(*words, **{k: v for k, v in broken.items() if k != "words"})
    assert code == 2
    assert "FLOWLAKE_" in said
    assert M not in said


def test_settings_show_that_secrets_are_set_and_not_which():
    proxy = f"http://u:{M}@proxy/jwks"
    catalog = json.dumps(CATALOGS["credential"])
    code, said = told(
        "settings",
        FLOWLAKE_CATALOG=catalog,
        FLOWLAKE_OIDC_JWKS_URL=proxy,
        FLOWLAKE_OIDC_ISSUER=f"https://issuer/?apikey={M}&pwd={M}",
        FLOWLAKE_PUSHGATEWAY=f"http://u:{M}/@{M}@gateway",
    )
    assert code == 0
    assert json.loads(said)["catalog"]["s3.secret-access-key"] == "*" * 10
    assert M not in said


@pytest.fixture
def settings(tmp_path):
    place = tmp_path / "lake"
    place.mkdir()
    return load_settings(
        lake=str(place),
        catalog={
            "type": "sql",
            "uri": f"sqlite:///{place}/catalog.db",
            "warehouse": f"file://{place}/warehouse",
            "s3.secret-access-key": f"{M}-s3",
            "s3.session-token": f"{M}-session",
            "token": f"{M}-token",
            "header.Authorization": f"Basic {M}",
        },
        warehouse=f"file://{place}/warehouse",
        key_pepper=f"{M}-pepper",
        cursor_key=f"{M}-cursor",
        rollup_addresses="hashed",
        address_key=f"{M}-address",
        sql_enabled=True,
        workers=1,
    )


def test_no_file_of_the_lake_holds_a_secret(settings, tmp_path, monkeypatch):
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, OWN[name])
    lines = [V2, *(record(n, 1767225600 + n) for n in range(9)), "no record here"]
    (tmp_path / "a.log").write_text("\n".join([*lines, ""]))
    with Lake(settings, create=True) as lake:
        Ingest(lake, Request((str(tmp_path / "a.log"),))).run()
    with closing(Keys(settings)) as keys:
        key, _ = keys.create(
            "dash", frozenset(Scope), limits=UNLIMITED, now=datetime.now(UTC),
            expires=None,
        )  # fmt: skip
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        bearer = {"authorization": f"Bearer {key.text}"}
        for path in ("/v1/status", f"/v1/status?api_key={key.text}&token={key.text}"):
            client.get(path, headers=bearer)
            client.get(path, headers={"authorization": f"Bearer {key.text}x"})
        sql = {"query": f"DROP TABLE flows -- {key.text}"}
        client.post("/v1/sql", json=sql, headers=bearer)
    audit = (settings.lake_path / "audit.jsonl").read_text()
    assert len(audit.splitlines()) == 5
    assert traces(settings.lake, "no record here")  # the search does find
    assert traces(settings.lake, M, key.text, key.text.rpartition("_")[2]) == []


NO_SIGNS = st.characters(exclude_characters="@=:*0123456789", codec="utf-8")
DIGITS = st.text("0123456789", max_size=4)


@settings_of_hypothesis(max_examples=30)
@given(secret=st.text(NO_SIGNS, min_size=6, max_size=20), before=DIGITS, after=DIGITS)
@example(secret='a"b\\c\u00e9 /d', before="1", after="")  # noqa: S106
def test_a_known_secret_is_masked_however_it_is_written(secret, before, after):
    learn([secret], {})
    try:
        for written in (str, json.dumps, repr, lambda text: quote(text, safe="")):
            told = masked(written(f"{before}{secret}{after}")).strip("\"'")
            assert told == f"{before}{MASK}{after}"
    finally:
        learn([], {})


def test_what_libraries_log_is_masked_as_our_own_lines_are(tmp_path):
    with open_lake(load_settings(lake=str(tmp_path))):
        pass
    code, said = told(
        "gc",
        "--dry-run",
        FLOWLAKE_LAKE=str(tmp_path),
        FLOWLAKE_TRACES="true",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"odd://u:{M}@{NOBODY}",
        OTEL_EXPORTER_OTLP_HEADERS=f"Bearer {M}",
        FLOWLAKE_TOKENN=M,
    )
    assert code == 0
    lines = [json.loads(line) for line in said.splitlines()]  # each is one
    libraries = {line["library"] for line in lines if "library" in line}
    assert len(libraries) == 2
    assert "setting_unknown" in {line.get("event") for line in lines}
    assert M not in said


@pytest.mark.parametrize("text", ["select 1", "s3://bucket/key", "a=b&c=d", "x@y:z"])
def test_what_is_no_secret_stays(text):
    learn(["another-secret"], {"type": "select", "uri": "s3://bucket"})
    assert masked(text) == text
    learn([], {})
