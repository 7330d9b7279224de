"""OIDC bearer tokens: whose a token is, if the issuer really signed it, for us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidTokenError,
    MissingRequiredClaimError,
    PyJWTError,
)

from api.access.jwks import Fetch, KeySet, fetch_json, is_safe
from api.access.principal import Principal, Scope
from lake.errors import LimitsMissing, NotAuthenticated, SettingsError
from lake.settings import Settings
from queries.limits import Limits

REQUIRED = ["iss", "aud", "exp", "sub"]
ALL = "*"
_LONGEST = 16 * 1024
_LONGEST_SUBJECT = 255
# A token that names its own key, or asks for what we do not know, is not read on.
_REFUSED_HEADERS = ("jwk", "jku", "x5u", "crit", "b64")
_TYPES = ("jwt", "at+jwt", "application/at+jwt")
_REASONS: Mapping[type[PyJWTError], str] = {
    ExpiredSignatureError: "it has expired",
    ImmatureSignatureError: "it is not valid yet",
    InvalidAudienceError: "it is for another audience",
    InvalidIssuerError: "it is of another issuer",
}


class Tokens:
    """The tokens of one issuer; safe to share between threads.

    Args:
        settings: Issuer, audience, and what its claims are called.
        fetch: Returns the JSON document at a URL.

    Raises:
        SettingsError: Issuer and audience are not both set, or a URL is not https.
    """

    def __init__(self, settings: Settings, *, fetch: Fetch = fetch_json) -> None:
        if not settings.oidc_issuer or not settings.oidc_audience:
            raise SettingsError(
                "FLOWLAKE_OIDC_ISSUER and FLOWLAKE_OIDC_AUDIENCE go together: set "
                "both, or neither of them and no FLOWLAKE_OIDC_JWKS_URL"
            )
        place = settings.oidc_jwks_url or settings.oidc_issuer
        if not is_safe(place):
            raise SettingsError(
                f"FLOWLAKE_OIDC_ISSUER or FLOWLAKE_OIDC_JWKS_URL: {place!r} is no "
                "https:// URL, so anybody on the way could sign in"
            )
        self._issuer = settings.oidc_issuer
        self._audience = settings.oidc_audience
        self._settings = settings
        self._fetch = fetch
        self.keys = KeySet(self._locate, settings.oidc_algorithms, fetch=fetch)

    def principal(self, token: str) -> Principal:
        """Return whose token it is.

        Raises:
            NotAuthenticated: It is not one of the issuer for us, or not now.
            LimitsMissing: It does not say what it may see.
            AccessUnavailable: The issuer's keys are not known.
        """
        header = self._header(token)
        key = self.keys.find(header["kid"], header["alg"])
        if key is None:
            raise _refused("its key is not one of the issuer's")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[header["alg"]],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._settings.oidc_leeway_s,
                options={"require": REQUIRED, "enforce_minimum_key_length": True},
            )
        except PyJWTError as error:
            raise _refused(_reason(error)) from None
        subject = claims["sub"]
        if not 0 < len(subject) <= _LONGEST_SUBJECT:
            raise _refused("its sub is empty or too long")
        # The prefix keeps subjects, which the issuer gives, apart from ids of keys.
        return Principal(
            subject, f"oidc:{subject}", self._scopes(claims), self._limits(claims)
        )

    def _header(self, token: str) -> dict[str, Any]:
        """Return the header of a token that may be read on; nothing is proved yet."""
        if len(token) > _LONGEST:
            raise _refused(f"it is longer than {_LONGEST} bytes")
        try:
            header = jwt.get_unverified_header(token)
        except (InvalidTokenError, UnicodeError):
            raise _refused("it cannot be read") from None
        if header.get("alg") not in self._settings.oidc_algorithms:
            known = ", ".join(self._settings.oidc_algorithms)
            raise _refused(f"it is not signed by {known}")
        for name in _REFUSED_HEADERS:
            if name in header:
                raise _refused(f"its header has {name}")
        if str(header.get("typ", "jwt")).lower() not in _TYPES:
            raise _refused("its typ is not that of an access token")
        if not header.get("kid"):
            raise _refused("its header has no kid")
        return header

    def _locate(self) -> str:
        """Return where the issuer's keys are, by its own word if need be."""
        if self._settings.oidc_jwks_url:
            return self._settings.oidc_jwks_url
        place = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        document = self._fetch(place)
        if not isinstance(document, dict) or document.get("issuer") != self._issuer:
            raise ValueError(f"{place} is not of {self._issuer}")
        found = document.get("jwks_uri")
        if not isinstance(found, str):
            raise ValueError(f"{place} has no jwks_uri")  # noqa: TRY004
        return found

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[Scope]:
        words = _words(claims, self._settings.oidc_scopes_claim) or frozenset()
        return frozenset(scope for scope in Scope if scope in words)

    def _limits(self, claims: Mapping[str, Any]) -> Limits:
        """Return what a token may see.

        `Limits` take an empty set as no limit, so what is missing or empty here must
        not become one: of all there is to see a token says so itself.
        """
        names = (
            self._settings.oidc_accounts_claim,
            self._settings.oidc_vpcs_claim,
            self._settings.oidc_namespaces_claim,
        )
        found = [_words(claims, name) for name in names]
        if all(words is None for words in found) or frozenset() in found:
            raise LimitsMissing(names)
        return Limits(*(frozenset() if not w or ALL in w else w for w in found))


def _words(claims: Mapping[str, Any], name: str) -> frozenset[str] | None:
    """Return a claim as words: a list of texts, or one text of words."""
    value = claims.get(name)
    if value is None:
        return None
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
        raise _refused(f"its {name} is no list of texts")
    return frozenset(words)


def _reason(error: PyJWTError) -> str:
    if isinstance(error, MissingRequiredClaimError):
        return f"it has no {error.claim}"
    return _REASONS.get(type(error), "its signature or a claim does not hold")


def _refused(reason: str) -> NotAuthenticated:
    return NotAuthenticated(f"the token is refused: {reason}")
