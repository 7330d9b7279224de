"""Bearer tokens: only the issuer's own, for us, now; every known forgery fails."""

import base64
import hmac
import json
import threading
import time
import warnings
from collections.abc import Callable
from functools import cache, partial

import jwt
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from api.access.jwks import FRESH_S, PAUSE_S, STALE_S, KeySet, fetch_json
from api.access.oidc import Tokens
from api.access.principal import Principal, Scope
from lake.errors import (
    AccessUnavailable,
    LimitsMissing,
    NotAuthenticated,
    SettingsError,
)
from lake.settings import load_settings
from queries.limits import UNLIMITED, Limits
from tests.servers import Reply

ISSUER = "https://issuer.example/realm"
AUDIENCE = "flowlake"
SHARED = b"known to the issuer and whoever reads its keys"
RSA, OTHER_RSA, WEAK_RSA, EC, EC_384, ED = "rsa", "rsa 2", "weak", "p256", "p384", "ed"


@cache
def private(name):
    """Make a key; asked for again it is the same."""
    if name in (RSA, OTHER_RSA, WEAK_RSA):
        bits = 1024 if name == WEAK_RSA else 2048
        return rsa.generate_private_key(65537, bits), RSAAlgorithm
    if name == ED:
        return ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm
    curve = ec.SECP256R1() if name == EC else ec.SECP384R1()
    return ec.generate_private_key(curve), ECAlgorithm


def jwk(name, kid, **more):
    key, kind = private(name)
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


@cache
def all_keys():
    listed = [
        jwk(RSA, "r", use="sig"),
        jwk(EC, "e", alg="ES256", key_ops=["verify"]),
        jwk(EC_384, "e384"),
        jwk(ED, "ed"),
        jwk(OTHER_RSA, "encrypts", use="enc"),
        jwk(OTHER_RSA, "wraps", key_ops=["wrapKey", "encrypt"]),
        jwk(OTHER_RSA, "does nothing", key_ops=[]),
        jwk(OTHER_RSA, "of no list", key_ops="verify"),
        jwk(OTHER_RSA, "rs512", alg="RS512"),
        {"kty": "oct", "kid": "shared", "k": base64.b64encode(SHARED).decode()},
        {"kty": "RSA", "kid": "broken"},
        "nonsense",
        {"kty": "EC", "kid": 7},
    ]
    return {"keys": listed}


class Issuer:
    """Answers as an issuer does, and counts how often it was asked."""

    def __init__(self, keys=None):
        self.documents = {
            f"{ISSUER}/.well-known/openid-configuration": {
                "issuer": ISSUER,
                "jwks_uri": f"{ISSUER}/keys",
            },
            f"{ISSUER}/keys": keys or all_keys(),
        }
        self.asked = []
        self.fails = False

    def __call__(self, url):
        self.asked.append(url)
        if self.fails:
            raise OSError("connection refused")
        return self.documents[url]


def tokens_of(issuer, **settings):
    given = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE} | settings
    return Tokens(load_settings(**given), fetch=issuer)


@pytest.fixture(scope="module")
def tokens():
    return tokens_of(Issuer())


def claims(**more):
    now = int(time.time())
    plain = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now,
             "exp": now + 300, "flowlake_scopes": ["reports"],
             "flowlake_accounts": "*"} | more  # fmt: skip
    return {name: value for name, value in plain.items() if value is not ...}


def signed(name=RSA, algorithm="RS256", *, kid="r", headers=None, **more):
    told = {"kid": kid, **(headers or {})}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyJWT's own, of keys made weak on purpose
        return jwt.encode(
            claims(**more), private(name)[0], algorithm,
            {n: v for n, v in told.items() if v is not ...},
        )  # fmt: skip


def raw(header, payload, sign=lambda text: b""):
    """Make a token by hand, as nobody's library would."""
    parts = [_base64(json.dumps(part).encode()) for part in (header, payload)]
    text = b".".join(parts)
    return b".".join([text, _base64(sign(text))]).decode()


def _base64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def unsigned(**header):
    return raw(header, claims())


def by_rsa(text):
    return RSAAlgorithm(RSAAlgorithm.SHA256).sign(text, private(RSA)[0])


def hmac_by(secret, name="sha256"):
    return lambda text: hmac.new(secret, text, name).digest()


def by_public_key(spelled, algorithm):
    """Sign by what is public of the issuer's key, as if it were a secret."""
    public, info = private(RSA)[0].public_key(), PublicFormat.SubjectPublicKeyInfo
    octets = {
        "PEM": lambda: public.public_bytes(Encoding.PEM, info),
        "PKCS1": lambda: public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "DER": lambda: public.public_bytes(Encoding.DER, info),
        "JWK": lambda: json.dumps(jwk(RSA, "r", use="sig")).encode(),
    }[spelled]()
    header = {"alg": algorithm, "kid": "r", "typ": "JWT"}
    return raw(header, claims(), hmac_by(octets, algorithm.replace("HS", "sha")))


FORGERIES: dict[str, Callable[[], str]] = {
    **{
        f"alg {spelled!r}": partial(unsigned, alg=spelled, kid="r")
        for spelled in ("none", "None", "NONE", "nOnE", "", None, "none ", ["RS256"],
                        {"RS256": 1}, True, "rs256", "RS256\u0000")
    },
    "no alg": lambda: raw({"kid": "r"}, claims()),
    "alg none with a signature": lambda: raw({"alg": "none", "kid": "r"}, claims(),
                                     lambda text: b"x" * 256),
    "exp null by hand": lambda: raw(
        {"alg": "RS256", "kid": "r"}, claims(exp=None), by_rsa),
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    **{
        f"{algorithm} by the public {spelled}": partial(
            by_public_key, spelled, algorithm)
        for spelled in ("PEM", "PKCS1", "DER", "JWK")
        for algorithm in ("HS256", "HS384", "HS512")
    },
    "HS256 by the issuer's own shared key": lambda: raw(
        {"alg": "HS256", "kid": "shared"}, claims(), hmac_by(SHARED)),
    "another's key under the known kid": lambda: signed(OTHER_RSA),
    "jwk in the header": lambda: signed(
        OTHER_RSA, headers={"jwk": jwk(OTHER_RSA, "r")}),
    "jwk in the header, unknown kid": lambda: signed(
        OTHER_RSA, kid="mine", headers={"jwk": jwk(OTHER_RSA, "mine")}),
    "jwk in the header, no kid": lambda: signed(
        OTHER_RSA, kid=..., headers={"jwk": jwk(OTHER_RSA, "r")}),
    "jwk in a token of the issuer": lambda: signed(headers={"jwk": jwk(RSA, "r")}),
    "jku": lambda: signed(OTHER_RSA, headers={"jku": "https://evil.example/keys"}),
    "jku of the issuer": lambda: signed(headers={"jku": f"{ISSUER}/keys"}),
    "x5u": lambda: signed(OTHER_RSA, headers={"x5u": "https://evil.example/chain"}),
    "x5u in a token of the issuer": lambda: signed(headers={"x5u": f"{ISSUER}/chain"}),
    "x5c": lambda: signed(OTHER_RSA, kid="x", headers={"x5c": ["MIIB"]}),
    "crit unknown": lambda: signed(headers={"crit": ["exp2"], "exp2": 1}),
    "crit b64": lambda: raw({"alg": "RS256", "kid": "r", "b64": False, "crit": ["b64"]},
                    claims()),
    "crit empty": lambda: signed(headers={"crit": []}),
    "crit exp": lambda: signed(headers={"crit": ["exp"], "exp": 1}),
    "aud wrong": lambda: signed(aud="another"),
    "aud list wrong": lambda: signed(aud=["another", "flowlake2"]),
    "aud prefix": lambda: signed(aud="flowlak"),
    "aud missing": lambda: signed(aud=...),
    "aud empty": lambda: signed(aud=[]),
    "aud of another type": lambda: signed(aud={"flowlake": 1}),
    "iss wrong": lambda: signed(iss="https://issuer.example/realm2"),
    "iss with a slash": lambda: signed(iss=f"{ISSUER}/"),
    "iss missing": lambda: signed(iss=...),
    "iss list": lambda: raw(
        {"alg": "RS256", "kid": "r"}, claims(iss=[ISSUER]), by_rsa),
    "exp missing": lambda: signed(exp=...),
    "exp null": lambda: signed(exp=None),
    "exp past": lambda: signed(exp=int(time.time()) - 31),
    "exp of no number": lambda: signed(exp="soon"),
    "exp infinite": lambda: raw(
        {"alg": "RS256", "kid": "r"}, claims(exp=float("inf")), by_rsa),
    "nbf future": lambda: signed(nbf=int(time.time()) + 90),
    "iat future": lambda: signed(iat=int(time.time()) + 90),
    "sub missing": lambda: signed(sub=...),
    "sub empty": lambda: signed(sub=""),
    "sub long": lambda: signed(sub="a" * 256),
    "kid missing": lambda: signed(kid=...),
    "kid empty": lambda: signed(kid=""),
    "kid unknown": lambda: signed(kid="another"),
    "kid a path": lambda: signed(kid="../../../dev/null"),
    "kid SQL": lambda: signed(kid="r' UNION SELECT 'key' --"),
    "kid of no text": lambda: raw({"alg": "RS256", "kid": ["r"]}, claims(), by_rsa),
    "kid of a key that encrypts": lambda: signed(OTHER_RSA, kid="encrypts"),
    **{
        f"kid of a key that {kid}": partial(signed, OTHER_RSA, kid=kid)
        for kid in ("wraps", "does nothing", "of no list")
    },
    "kid of a key of another algorithm": lambda: signed(OTHER_RSA, kid="rs512"),
    "RS512, which is not taken": lambda: signed(algorithm="RS512"),
    "ES256 under the kid of RSA": lambda: signed(EC, "ES256", kid="r"),
    "RS256 under the kid of EC": lambda: signed(RSA, "RS256", kid="e"),
    "ES384, which is not taken": lambda: signed(EC_384, "ES384", kid="e384"),
    "another curve": lambda: raw({"alg": "ES256", "kid": "e384"}, claims(),
                         lambda text: b"x" * 64),
    "ES256 all zero": lambda: raw({"alg": "ES256", "kid": "e"}, claims(),
                          lambda text: bytes(64)),
    "typ of a logout": lambda: signed(headers={"typ": "logout+jwt"}),
    "typ of an event": lambda: signed(headers={"typ": "secevent+jwt"}),
    "too long": lambda: signed(filler="x" * 20_000),
    "five parts": lambda: "a.b.c.d.e",
    "one part": lambda: "abc",
    "nothing": lambda: "",
    "no JSON": lambda: f"{_base64(b'{').decode()}.e30.e30",
    "a list": lambda: raw([], claims()),
    "deep": lambda: f"{_base64(b'[' * 9_000).decode()}.e30.e30",
    "no Latin": lambda: "\u00e9.\u00e9.\u00e9",
    "half a surrogate": lambda: "\ud800.a.b",
    "claims that are a list": lambda: raw({"alg": "RS256", "kid": "r"}, [1], by_rsa),
    "scopes of another type": lambda: signed(flowlake_scopes=7),
    "limits of another type": lambda: signed(flowlake_accounts=[123456789012]),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_and_its_text_not_repeated(tokens, name):
    with pytest.raises(NotAuthenticated) as told:
        tokens.principal(FORGERIES[name]())
    assert "evil" not in str(told.value)
    assert "UNION" not in str(told.value)


def test_forged_headers_are_asked_for_nothing():
    issuer = Issuer()
    tokens = tokens_of(issuer)
    tokens.principal(signed())
    for forge in FORGERIES.values():
        with pytest.raises(NotAuthenticated):
            tokens.principal(forge())
    assert issuer.asked == list(issuer.documents)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_with_any_part_changed_is_refused(tokens, part):
    mine, theirs = signed().split("."), signed(sub="eve", headers={"x": 1}).split(".")
    mine[part] = theirs[part]
    with pytest.raises(NotAuthenticated):
        tokens.principal(".".join(mine))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"name": EC, "algorithm": "ES256", "kid": "e"},
        {"aud": ["others", AUDIENCE]},
        {"headers": {"typ": "at+jwt"}},
        {"headers": {"typ": "application/at+JWT", "x5t": "abc"}},
    ],
)
def test_the_issuers_own_token_is_whose_it_is(tokens, given):
    assert tokens.principal(signed(**given)) == Principal(
        "ada", "oidc:ada", frozenset({Scope.REPORTS}), UNLIMITED
    )


def test_clocks_may_differ_by_the_leeway(tokens):
    now = int(time.time())
    assert tokens.principal(signed(exp=now - 5, nbf=now + 20, iat=now + 20))
    strict = tokens_of(Issuer(), oidc_leeway_s=0)
    with pytest.raises(NotAuthenticated, match="expired"):
        strict.principal(signed(exp=now - 5))


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA, "PS256", "r"), (EC_384, "ES384", "e384"), (ED, "EdDSA", "ed"),
     (OTHER_RSA, "RS512", "rs512")],
)  # fmt: skip
def test_algorithms_are_those_of_the_settings(key, algorithm, kid):
    token = signed(key, algorithm, kid=kid)
    assert tokens_of(Issuer(), oidc_algorithms=(algorithm,)).principal(token)
    with pytest.raises(NotAuthenticated):
        tokens_of(Issuer()).principal(token)


@pytest.mark.parametrize("name", ["none", "HS256", "HS512", "rs256"])
def test_an_algorithm_that_shares_its_secret_is_no_setting(name, monkeypatch):
    monkeypatch.setenv("FLOWLAKE_OIDC_ALGORITHMS", json.dumps([name]))
    with pytest.raises(SettingsError, match="FLOWLAKE_OIDC_ALGORITHMS"):
        load_settings()


def test_a_weak_key_is_refused():
    tokens = tokens_of(Issuer({"keys": [jwk(WEAK_RSA, "r")]}))
    with pytest.raises(NotAuthenticated):
        tokens.principal(signed(WEAK_RSA))


@pytest.mark.parametrize(
    ("value", "scopes"),
    [
        (..., set()),
        ([], set()),
        ("", set()),
        ("openid  reports status", {Scope.REPORTS, Scope.STATUS}),
        (["sql", "admin", "REPORTS"], {Scope.SQL}),
        (["reports status"], set()),
        ("*", set()),
    ],
)
def test_a_token_may_do_what_its_scopes_say_and_no_more(tokens, value, scopes):
    assert tokens.principal(signed(flowlake_scopes=value)).scopes == scopes


NOTHING = {"flowlake_accounts": ...}


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({"flowlake_accounts": ["*"]}, UNLIMITED),
        ({"flowlake_accounts": ["1", "2"]}, Limits(frozenset("12"))),
        ({"flowlake_accounts": "1 2"}, Limits(frozenset("12"))),
        ({"flowlake_accounts": "*", "flowlake_vpcs": ["vpc-1"]},
         Limits(vpcs=frozenset({"vpc-1"}))),
        (NOTHING | {"flowlake_namespaces": ["prod/a", "b"]},
         Limits(namespaces=frozenset({"prod/a", "b"}))),
        (NOTHING, None),
        ({"flowlake_accounts": None}, None),
        ({"flowlake_accounts": []}, None),
        ({"flowlake_accounts": "  "}, None),
        ({"flowlake_accounts": "*", "flowlake_vpcs": []}, None),
    ],
)  # fmt: skip
def test_a_token_sees_what_it_says_and_nothing_where_it_says_nothing(
    tokens, given, limits
):
    if limits is None:
        with pytest.raises(LimitsMissing, match="flowlake_accounts"):
            tokens.principal(signed(**given))
    else:
        assert tokens.principal(signed(**given)).limits == limits


def test_claims_have_the_names_of_the_settings():
    tokens = tokens_of(
        Issuer(),
        oidc_scopes_claim="scope",
        oidc_accounts_claim="https://a.example/accounts",
    )
    token = signed(scope="status", **{"https://a.example/accounts": ["1"]})
    found = tokens.principal(token)
    assert (found.scopes, found.limits) == ({Scope.STATUS}, Limits(frozenset("1")))


@pytest.mark.parametrize(
    "given",
    [
        {"oidc_issuer": None},
        {"oidc_audience": None},
        {"oidc_audience": ""},
        {"oidc_issuer": "http://issuer.example"},
        {"oidc_jwks_url": "http://issuer.example/keys"},
        {"oidc_jwks_url": "file:///etc/passwd"},
        {"oidc_jwks_url": "http://127.0.0.1.example/keys"},
    ],
)
def test_half_a_setting_or_a_clear_url_is_refused(given):
    with pytest.raises(SettingsError, match="FLOWLAKE_OIDC"):
        tokens_of(Issuer(), **given)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_unknown_kids_ask_the_issuer_once_in_a_while_however_many():
    issuer, clock = Issuer(), Clock()
    found = KeySet(lambda: f"{ISSUER}/keys", ["RS256"], fetch=issuer, clock=clock)
    for round_ in range(1, 4):
        for i in range(200):
            assert found.find(f"storm-{round_}-{i}", "RS256") is None
            assert found.find("r", "RS256")
        assert len(issuer.asked) == round_
        clock.now += PAUSE_S


def test_an_issuer_that_is_down_is_asked_no_oftener_and_its_keys_last_a_day():
    issuer, clock = Issuer(), Clock()
    found = KeySet(lambda: f"{ISSUER}/keys", ["RS256"], fetch=issuer, clock=clock)
    issuer.fails = True
    with structlog.testing.capture_logs() as logged:
        for _ in range(50):
            with pytest.raises(AccessUnavailable):
                found.find("r", "RS256")
        assert len(issuer.asked) == len(logged) == 1
        issuer.fails = False
        clock.now += PAUSE_S
        assert found.find("r", "RS256")
        issuer.fails = True
        clock.now += FRESH_S
        assert found.find("r", "RS256")
        assert len(issuer.asked) == 3
        clock.now += STALE_S
        with pytest.raises(AccessUnavailable):
            found.find("r", "RS256")


def test_a_rotated_key_is_found_and_a_withdrawn_one_ends():
    issuer, clock = Issuer({"keys": [jwk(RSA, "old")]}), Clock()
    found = KeySet(lambda: f"{ISSUER}/keys", ["RS256"], fetch=issuer, clock=clock)
    assert found.find("old", "RS256")
    issuer.documents[f"{ISSUER}/keys"] = {"keys": [jwk(OTHER_RSA, "new")]}
    assert found.find("new", "RS256") is None
    clock.now += PAUSE_S
    assert found.find("new", "RS256")
    assert found.find("old", "RS256") is None


def test_an_answer_without_a_usable_key_changes_nothing():
    issuer, clock = Issuer(), Clock()
    found = KeySet(lambda: f"{ISSUER}/keys", ["RS256"], fetch=issuer, clock=clock)
    assert found.find("r", "RS256")
    useless = {"keys": [{"kty": "oct", "kid": "r"}]}
    answers: list[object] = [{"keys": []}, {}, [], None, useless]
    for answer in answers:
        issuer.documents[f"{ISSUER}/keys"] = answer
        clock.now += FRESH_S
        with structlog.testing.capture_logs():
            assert found.find("r", "RS256")


def test_many_threads_ask_once_and_known_keys_do_not_wait():
    answering, asked = threading.Event(), threading.Event()
    issuer, clock = Issuer(), Clock()

    def slow(url):
        asked.set()
        assert answering.wait(10)
        return issuer(url)

    found = KeySet(lambda: f"{ISSUER}/keys", ["RS256"], fetch=issuer, clock=clock)
    assert found.find("r", "RS256")
    found._fetch = slow
    clock.now += FRESH_S
    asker = threading.Thread(target=found.find, args=("new", "RS256"))
    asker.start()
    assert asked.wait(10)
    assert found.find("r", "RS256")  # while the question is open
    answering.set()
    asker.join()
    assert len(issuer.asked) == 2


@pytest.mark.parametrize(
    "change",
    [{"issuer": "https://evil.example"}, {"issuer": None}, {"jwks_uri": None}],
)
def test_a_discovery_of_another_issuer_is_not_believed(change):
    issuer = Issuer()
    place = f"{ISSUER}/.well-known/openid-configuration"
    issuer.documents[place] |= change
    with structlog.testing.capture_logs(), pytest.raises(AccessUnavailable):
        tokens_of(issuer).principal(signed())
    assert issuer.asked == [place]


def test_keys_come_over_http_by_discovery(scripted):
    def reply(document):
        return Reply(body=json.dumps(document).encode())

    scripted.will(
        reply({"issuer": scripted.endpoint, "jwks_uri": f"{scripted.endpoint}/jwks"}),
        reply(all_keys()),
    )
    given = {"oidc_issuer": scripted.endpoint, "oidc_audience": AUDIENCE}
    tokens = Tokens(load_settings(**given))
    for _ in range(3):
        assert tokens.principal(signed(iss=scripted.endpoint)).name == "ada"
    assert [r["path"] for r in scripted.requests] == [
        "/.well-known/openid-configuration",
        "/jwks",
    ]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(302, headers={"Location": "/elsewhere"}),
        Reply(500),
        Reply(body=b"<html>"),
        Reply(body=b"[" * 100_000),
        Reply(body=b" " * 1024 * 1024 + b"{}"),
        Reply(body=b"{}", cut=1, reset=True),
        Reply(body=b'{"keys": "cut"}', cut=3),
    ],
)
def test_what_is_no_answer_is_none(scripted, reply):
    scripted.will(reply)
    found = KeySet(lambda: f"{scripted.endpoint}/jwks", ["RS256"], fetch=fetch_json)
    with structlog.testing.capture_logs() as logged, pytest.raises(AccessUnavailable):
        found.find("r", "RS256")
    assert [line["event"] for line in logged] == ["issuer_unavailable"]
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://10.0.0.1/", "ftp://x/"])
def test_what_the_issuer_names_is_read_over_https_only(url):
    with pytest.raises(ValueError, match="not https"):
        fetch_json(url)
