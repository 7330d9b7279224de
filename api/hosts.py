"""By which name the service may be asked, and whose word on the client is taken."""

from __future__ import annotations

import ipaddress
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from api.access.gate import Gate
from api.access.jwks import is_loopback
from api.problems import refusal, request_id
from lake.errors import SettingsError
from lake.settings import Settings

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::[0-9]*)?")


class LocalHosts:
    """Answers, where nobody is asked who they are, only what asks for this machine.

    A web page that somebody here opens can ask whatever its own name leads to, and so
    this service, by a name that is turned to loopback (DNS rebinding). The browser
    then sends that name as ``Host``.

    Args:
        app: The application inside.
        gate: Knows whether key or token are asked for.
    """

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or not self._is_foreign(scope):
            await self._app(scope, receive, send)
            return
        answer = refusal(
            421,
            detail="Without keys this service answers for localhost, 127.0.0.1 and "
            "[::1] only: ask by one of these, or make a key with `flowlake keys "
            "create NAME --scope reports`.",
            instance=request_id(scope),
        )
        await answer(scope, receive, send)

    def _is_foreign(self, scope: Connection) -> bool:
        """Whether it came by loopback under a name of elsewhere, and needs no key."""
        here, *_ = scope.get("server") or ("localhost",)
        named = Headers(scope=scope).getlist("host")
        if not is_loopback(here) or (len(named) == 1 and is_local(named[0])):
            return False
        return not self._gate.is_guarded


def is_local(host: str) -> bool:
    """Whether a ``Host`` header names loopback, at any port."""
    found = _HOST.fullmatch(host.strip())
    return found is not None and is_loopback((found[1] or found[2]).lower())


def trusted_proxies(settings: Settings) -> list[str]:
    """Return the addresses and networks whose ``X-Forwarded-For`` is believed.

    Raises:
        SettingsError: One of them is neither.
    """
    found = [part.strip() for part in (settings.trusted_proxies or "").split(",")]
    for part in filter(None, found):
        try:
            ipaddress.ip_network(part)
        except ValueError as error:
            raise SettingsError(
                f"FLOWLAKE_TRUSTED_PROXIES: {error}: give addresses or CIDRs, such as "
                "10.0.0.5,10.1.0.0/16"
            ) from None
    return [part for part in found if part]
