"""API keys: made once, shown once, and nothing of them kept that opens anything."""

import hashlib
import hmac
import json
import stat
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from api.access import cli, keys, keystore
from api.access.apikey import PATTERN, ApiKey, new_key, read_key
from api.access.keys import USE_NOTED, Keys
from api.access.principal import Principal, Scope
from lake.databases import with_driver
from lake.errors import (
    AccessUnavailable,
    NotAuthenticated,
    SettingsError,
    UsageError,
)
from lake.settings import load_settings
from queries.limits import UNLIMITED, Limits
from tests.processes import flowlake as command

ROOT = Path(__file__).parents[2]

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SCOPES = frozenset({Scope.REPORTS, Scope.STATUS})
LIMITS = Limits(frozenset({"123456789012"}), frozenset({"vpc-0a1b"}), frozenset({"ns"}))
PEPPER = "a pepper of the tests"


@pytest.fixture
def known(settings):
    found = Keys(settings)
    yield found
    found.close()


def make(known, name="dash", *, expires=NOW + timedelta(days=90), **more):
    asked = {"scopes": SCOPES, "limits": LIMITS, "now": NOW} | more
    return known.create(name, asked.pop("scopes"), expires=expires, **asked)


def refusal(known, text, now=NOW):
    with pytest.raises(NotAuthenticated) as told:
        known.principal(text, now)
    return str(told.value)


@given(st.binary(min_size=32, max_size=32))
def test_every_secret_makes_a_key_that_reads_back(secret):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secrets.token_bytes", lambda size: secret[:size])
        key = new_key()
    assert read_key(key.text) == key
    assert len(key.text) == 64
    assert PATTERN.fullmatch(key.text)


@given(st.data())
def test_a_key_with_any_one_character_changed_cut_or_added_is_none(data):
    text = ApiKey("0123456789", "A" * 43).text
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda c: c != text[place]))
    assert read_key(text[:place] + other + text[place + 1 :]) is None
    assert read_key(text[:place]) is None
    assert read_key(text[:place] + other + text[place:]) is None


def test_keys_are_random_and_hide_in_logs():
    made = [new_key() for _ in range(200)]
    assert len({k.id for k in made} | {k.secret for k in made}) == 400
    assert made[0].secret not in repr(made[0])


def test_a_key_is_whose_it_is_and_what_it_may_see(known):
    key, stored = make(known)
    expected = Principal("dash", key.id, SCOPES, LIMITS)
    assert known.principal(key.text, NOW) == expected
    assert [k.id for k in known.list()] == [stored.id]
    forever, _ = make(known, "forever", limits=UNLIMITED, expires=None)
    found = known.principal(forever.text, NOW + timedelta(days=36_500))
    assert found.limits.is_unlimited


def test_what_is_stored_is_the_keyed_hash_and_opens_nothing(known, settings):
    key, stored = make(known)
    pepper = (settings.lake_path / "keys.pepper").read_bytes().strip()
    text = f"{key.id}_{key.secret}".encode()
    assert stored.hash == hmac.new(pepper, text, hashlib.sha256).hexdigest()
    plain = hashlib.sha256(text).hexdigest()
    for place in settings.lake_path.iterdir():
        kept = place.read_bytes()
        assert key.secret.encode() not in kept
        assert plain.encode() not in kept
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert {p.name for p in settings.lake_path.iterdir()} == {
        "keys.pepper",
        "keys.sqlite",
    }
    forged = ApiKey(key.id, stored.hash[:43]).text
    assert "not one of this service" in refusal(known, forged)


def test_wrong_keys_are_refused_alike_and_cut_ones_before_any_look_up(
    known, monkeypatch
):
    key, _ = make(known)
    wrong = ApiKey(key.id, "A" * 43).text
    unknown = ApiKey("0123456789", key.secret).text
    assert refusal(known, wrong) == refusal(known, unknown)
    assert key.id not in refusal(known, wrong)
    monkeypatch.setattr(keystore.KeyStore, "find", None)  # to look up would now fail
    for text in (key.text[:-1], key.text[:-6], key.text + "A", "", "flk_", "é" * 64):
        assert "checksum" in refusal(known, text)


def test_every_look_up_ends_in_one_comparison_in_constant_time(known, monkeypatch):
    key, stored = make(known)
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("api.access.pepper.hmac.compare_digest", compare)
    known.principal(key.text, NOW)
    refusal(known, ApiKey(key.id, "A" * 43).text)
    refusal(known, ApiKey("0123456789", key.secret).text)
    assert [other for _, other in compared] == [stored.hash, stored.hash, ""]


def test_a_revoked_key_ends_at_once_and_an_expired_one_at_its_time(known, settings):
    key, _ = make(known)
    lasting, stored = make(known, "other")
    server = Keys(settings)  # one that runs already
    assert server.principal(key.text, NOW).name == "dash"
    assert known.revoke(key.id, NOW).revoked_at == NOW
    assert "revoked" in refusal(server, key.text)
    later = NOW + timedelta(days=1)
    assert known.revoke(key.text, later).revoked_at == NOW  # the whole key will do
    last = stored.expires - timedelta(seconds=1)
    assert server.principal(lasting.text, last).name == "other"
    assert "expired" in refusal(server, lasting.text, stored.expires)
    with pytest.raises(UsageError, match="keys list"):
        known.revoke("nonsense", NOW)
    server.close()


def test_a_store_that_is_put_in_the_place_of_another_is_seen(settings, known):
    place = settings.lake_path / "keys.sqlite"
    key, _ = make(known)
    alive = place.read_bytes()
    known.revoke(key.id, NOW)
    assert "revoked" in refusal(known, key.text)
    backup = place.with_suffix(".backup")
    backup.write_bytes(alive)
    backup.replace(place)
    assert known.principal(key.text, NOW).name == "dash"


def test_two_keys_of_a_name_live_for_rotation_and_not_three(known):
    old, _ = make(known)
    new, _ = make(known, expires=NOW + timedelta(days=1))
    for key in (old, new):
        assert known.principal(key.text, NOW).name == "dash"
    with pytest.raises(UsageError, match="keys revoke"):
        make(known)
    assert len(known.list()) == 2
    known.revoke(old.id, NOW)
    third, _ = make(known)
    later = NOW + timedelta(days=2)  # the new one has expired by itself
    make(known, now=later)
    assert known.principal(third.text, later).name == "dash"
    make(known, "another")


def test_another_pepper_is_told_from_a_wrong_key(settings, known):
    key, _ = make(known)
    other = Keys(load_settings(lake=settings.lake, key_pepper=PEPPER))
    with structlog.testing.capture_logs() as logged:
        assert "not one of this service" in refusal(other, key.text)
    assert [line["event"] for line in logged] == ["key_of_another_pepper"]
    assert key.secret not in str(logged)
    for act in (lambda: other.check_pepper(NOW), lambda: make(other)):
        with pytest.raises(SettingsError, match="FLOWLAKE_KEY_PEPPER is not what"):
            act()
    known.revoke(key.id, NOW)
    other.check_pepper(NOW)
    anew, _ = make(other)  # no living key is left of the first pepper
    assert other.principal(anew.text, NOW).name == "dash"
    other.close()


def test_a_pepper_that_is_gone_says_what_to_do_and_answers_nobody(settings, known):
    key, _ = make(known)
    (settings.lake_path / "keys.pepper").unlink()
    server = Keys(settings)
    with pytest.raises(SettingsError, match="bring it back or set"):
        server.check_pepper(NOW)
    with pytest.raises(SettingsError, match="bring it back"):
        make(server)
    with pytest.raises(AccessUnavailable), structlog.testing.capture_logs():
        server.principal(key.text, NOW)
    server.revoke(key.id, NOW)
    assert server.principal(make(server)[0].text, NOW).name == "dash"
    server.close()


def test_a_store_of_ones_own_needs_a_pepper_of_the_settings(tmp_path):
    given = {"lake": str(tmp_path / "lake"), "keys": f"sqlite:///{tmp_path}/x/k.db"}
    bare = Keys(load_settings(**given))
    assert not bare.are_there()
    with pytest.raises(SettingsError, match="FLOWLAKE_KEY_PEPPER is not set"):
        make(bare)
    found = Keys(load_settings(**given, key_pepper=PEPPER))
    key, _ = make(found)
    assert found.principal(key.text, NOW).limits == LIMITS
    assert stat.S_IMODE((tmp_path / "x/k.db").stat().st_mode) == 0o600
    assert list((tmp_path / "lake").iterdir()) == []
    found.close()


@pytest.mark.parametrize("url", ["nonsense", "nosuch://u:hidden@host/db", ""])
def test_a_store_that_is_no_database_is_a_setting_and_hides_its_password(tmp_path, url):
    with pytest.raises(SettingsError, match="FLOWLAKE_KEYS") as told:
        Keys(load_settings(lake=str(tmp_path), keys=url))
    assert "hidden" not in str(told.value)


def test_a_store_that_cannot_be_read_lets_nobody_in(settings, known):
    key, _ = make(known)
    (settings.lake_path / "keys.sqlite").write_bytes(b"no database" * 100)
    server = Keys(settings)
    with structlog.testing.capture_logs() as logged:
        assert server.are_there()
        with pytest.raises(AccessUnavailable):
            server.principal(key.text, NOW)
    assert {line["event"] for line in logged} == {"keys_unavailable"}
    server.close()


def test_keys_that_were_there_are_there_for_ever(settings, known):
    assert not known.are_there()
    key, _ = make(known)
    known.revoke(key.id, NOW)
    assert known.are_there()
    (settings.lake_path / "keys.sqlite").unlink()
    assert known.are_there()
    assert "not one of this service" in refusal(known, key.text)


def test_last_use_is_noted_now_and_then(known, monkeypatch):
    key, _ = make(known)
    written = []
    touch = keystore.KeyStore.touch

    def noted(self, key_id, at):
        written.append(at)
        touch(self, key_id, at)

    monkeypatch.setattr(keystore.KeyStore, "touch", noted)
    for minutes in range(0, 90, 10):
        known.principal(key.text, NOW + timedelta(minutes=minutes))
    assert written == [NOW, NOW + USE_NOTED]
    assert known.list()[0].last_used == NOW + USE_NOTED


def test_a_store_that_cannot_be_written_still_opens(known, monkeypatch):
    key, _ = make(known)

    def fail(*given):
        raise AccessUnavailable("read-only")

    monkeypatch.setattr(keystore.KeyStore, "touch", fail)
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            assert known.principal(key.text, NOW).name == "dash"
    assert [line["event"] for line in logged] == ["key_use_not_noted"]


def test_the_commands_make_list_and_revoke_and_show_a_key_once(tmp_path):
    lake = tmp_path / "lake"
    made = command("keys", "create", "dash", "--scope", "reports", "--scope", "status",
                   "--account", "123456789012", "--namespace", "prod/payments",
                   "--expires", "12h", lake=lake)  # fmt: skip
    told = json.loads(made.stdout)
    assert (made.returncode, made.stderr) == (0, "")
    key = read_key(told["key"])
    assert key
    assert key.id == told["id"]
    assert (told["scopes"], told["vpcs"]) == (["reports", "status"], [])
    assert told["namespaces"] == ["prod/payments"]
    spans = [datetime.fromisoformat(told[k]) for k in ("created", "expires")]
    assert spans[1] - spans[0] == timedelta(hours=12)
    listed = command("keys", "list", lake=lake)
    assert json.loads(listed.stdout) == [{k: told[k] for k in told if k != "key"}]
    revoked = json.loads(command("keys", "revoke", told["id"], lake=lake).stdout)
    assert revoked["state"] == "revoked"
    settings = command("settings", lake=lake, FLOWLAKE_KEY_PEPPER=PEPPER,
                       FLOWLAKE_KEYS="postgresql://u:hidden@h/d")  # fmt: skip
    for text in (listed.stdout, settings.stdout, made.stderr):
        assert key.secret not in text
    assert "hidden" not in settings.stdout
    assert PEPPER not in settings.stdout


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"scope": None}, "--scope reports"),
        ({"account": ["12345"]}, "12 digits"),
        ({"vpc": ["eni-0a1b2c3d"]}, "vpc-"),
        ({"namespace": ["a/b/c"]}, "CLUSTER/NAME"),
        ({"namespace": [""]}, "CLUSTER/NAME"),
        ({"expires": "soon"}, "90d"),
        ({"expires": "0d"}, "90d"),
        ({"expires": "9999d"}, "--no-expiry"),
        ({"expires": "1d", "no_expiry": True}, "choose one"),
        ({"name": "a b"}, "letters"),
    ],
)
def test_a_key_that_would_not_be_as_meant_is_not_made(
    settings, monkeypatch, given, hint
):
    monkeypatch.setenv("FLOWLAKE_LAKE", settings.lake)
    with pytest.raises(UsageError, match=hint):
        cli.create(**{"name": "dash", "scope": [Scope.REPORTS], **given})
    assert not settings.lake_path.exists()


def test_a_key_lives_90_days_unless_told_otherwise(settings, monkeypatch, capsys):
    monkeypatch.setenv("FLOWLAKE_LAKE", settings.lake)
    cli.create("dash", scope=[Scope.REPORTS])
    cli.create("robot", scope=[Scope.SQL], no_expiry=True)
    capsys.readouterr()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    cli.list_()
    shown = capsys.readouterr().out
    with closing(Keys(settings)) as known:
        dash, robot = known.list()
    assert (dash.expires, robot.expires) == (dash.created + timedelta(days=90), None)
    assert f"{dash.expires:%Y-%m-%d}" in shown
    assert "never" in shown
    assert "everything" in shown
    cli.create("shown", scope=[Scope.REPORTS])
    told = capsys.readouterr()
    assert read_key(told.out.strip())
    assert "only time" in told.err


def test_no_word_of_keys_reaches_the_log(known):
    with structlog.testing.capture_logs() as logged:
        key, stored = make(known)
        known.principal(key.text, NOW)
        refusal(known, ApiKey(key.id, "A" * 43).text)
    assert logged == []
    assert key.secret not in repr(stored) + repr(known) + repr(keys.log)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_a_postgres_url_takes_the_driver_that_the_image_has(scheme):
    url = make_url(with_driver(f"{scheme}://u:p@h/d?sslmode=require"))
    driver = url.get_driver_name()
    assert f"{driver}-binary==" in (ROOT / "infra/requirements.lock").read_text()
    assert (url.host, url.database, dict(url.query)) == (
        "h",
        "d",
        {"sslmode": "require"},
    )
    assert with_driver("sqlite:////k") == "sqlite:////k"
