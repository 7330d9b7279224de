"""Where a request becomes a principal: the one place, for every route."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
from fastapi import FastAPI, Request, Security
from fastapi.security import (
    APIKeyHeader,
    HTTPAuthorizationCredentials,
    HTTPBearer,
    SecurityScopes,
)

from api.access.apikey import PREFIX
from api.access.audit import AuditLog
from api.access.jwks import is_loopback
from api.access.keys import Keys
from api.access.oidc import Tokens
from api.access.principal import LOCAL, Principal, Scope
from lake.errors import (
    AccessError,
    NotAuthenticated,
    ScopeMissing,
    SettingsError,
    UnlimitedOnly,
)
from lake.settings import Settings

log = structlog.get_logger()

_BEARER = HTTPBearer(
    scheme_name="bearer",
    description="An API key, or a token of the configured issuer.",
    auto_error=False,
)
_API_KEY = APIKeyHeader(
    name="X-API-Key",
    scheme_name="api_key",
    description="An API key.",
    auto_error=False,
)


class Gate:
    """Tells who asks; safe to share between threads.

    Args:
        settings: Where keys are, whose tokens are taken, what is listened on.
        tokens: Checks tokens; default: as the settings say.

    Raises:
        SettingsError: A setting of keys or tokens does not fit.
    """

    def __init__(self, settings: Settings, *, tokens: Tokens | None = None) -> None:
        self._settings = settings
        self._keys = Keys(settings)
        self._tokens = tokens or _tokens(settings)
        self.audit = AuditLog(settings)

    def close(self) -> None:
        """Close the store of keys."""
        self._keys.close()

    @property
    def is_configured(self) -> bool:
        """Whether there is a way to authenticate, or it is asked for by a setting.

        Keys that were made once count for ever: with the last one revoked nobody is
        served, rather than everybody.
        """
        return (
            self._tokens is not None
            or self._settings.auth == "required"
            or self._settings.keys is not None
            or self._keys.are_there()
        )

    @property
    def is_guarded(self) -> bool:
        """Whether nobody is served without key or token; beyond loopback always."""
        return self.is_configured or not is_loopback(self._settings.host)

    @property
    def is_audited(self) -> bool:
        """Whether requests are noted in the audit log."""
        return self._settings.audit is not None or self.is_guarded

    def check(self) -> None:
        """Refuse to serve what could not be served as meant.

        Raises:
            SettingsError: Nobody beyond loopback would be asked who they are, the
                pepper is not that of the keys, or the audit log cannot be written.
            AccessUnavailable: The store of keys cannot be read.
        """
        if not self.is_configured and self.is_guarded:
            raise SettingsError(
                f"FLOWLAKE_HOST: {self._settings.host} is reached from elsewhere, and "
                "there is no way to tell who asks: make a key with `flowlake keys "
                "create NAME --scope reports`, or set FLOWLAKE_OIDC_ISSUER and "
                "FLOWLAKE_OIDC_AUDIENCE, or listen on 127.0.0.1"
            )
        self._keys.check_pepper(datetime.now(UTC))
        if self.is_audited:
            self.audit.check()
        if not is_loopback(self._settings.host):
            log.warning("serving_in_the_clear", host=self._settings.host,
                        advice="put a proxy with TLS in front")  # fmt: skip

    def principal(self, bearer: str | None, api_key: str | None) -> Principal:
        """Return who asks.

        Args:
            bearer: What ``Authorization: Bearer`` gives: a key or a token.
            api_key: What ``X-API-Key`` gives: a key.

        Raises:
            AccessError: Nobody that may; each kind says why.
        """
        if not self.is_guarded:
            return LOCAL
        given = [text for text in (bearer, api_key) if text is not None]
        if len(given) != 1:
            raise NotAuthenticated(
                "send one API key or token: Authorization: Bearer …, or X-API-Key: …",
                given=bool(given),
            )
        if api_key is not None or given[0].startswith(PREFIX):
            return self._keys.principal(given[0], datetime.now(UTC))
        if self._tokens is None:
            raise NotAuthenticated(f"this is no API key: one begins with {PREFIX}")
        return self._tokens.principal(given[0])


def requires(scope: Scope) -> Any:
    """Return the dependency by which a route asks for a scope.

    As a parameter's annotation it gives the `Principal`; among ``dependencies`` it only
    guards. Every route under ``/v1`` has it.

    Raises:
        NotAuthenticated: When asked by nobody that is known.
        ScopeMissing: When asked by one whose key or token lacks the scope.
    """
    return Security(_admit, scopes=[scope.value])


def unlimited_only(principal: Principal) -> None:
    """Refuse a limited principal, where an answer cannot be limited.

    Raises:
        UnlimitedOnly: It may see only a part.
    """
    if not principal.limits.is_unlimited:
        raise UnlimitedOnly


def _admit(
    request: Request,
    needed: SecurityScopes,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    api_key: Annotated[str | None, Security(_API_KEY)],
) -> Principal:
    gate: Gate = request.app.state.gate
    facts: dict[str, Any] = request.state.audit
    facts |= {"audited": gate.is_audited, "route": request.scope["route"].path}
    try:
        principal = gate.principal(bearer.credentials if bearer else None, api_key)
        facts |= {"principal": principal.name, "key_id": principal.key_id}
        for scope in map(Scope, needed.scopes):
            if scope not in principal.scopes:
                raise ScopeMissing(scope, principal.scopes)
    except AccessError as error:
        facts["refused"] = str(error)
        raise
    request.state.principal = principal
    return principal


def without_key_too(app: FastAPI) -> None:
    """Let the OpenAPI document say that a key is not needed where there are none.

    Args:
        app: With all its routes.
    """
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        for path in document["paths"].values():
            for operation in path.values():
                known = operation.get("security")
                if known and {} not in known:
                    known.append({})
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _tokens(settings: Settings) -> Tokens | None:
    parts = (settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url)
    return Tokens(settings) if any(parts) else None
