"""How often one caller may ask: a token bucket a caller, told in every answer."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.principal import LOCAL
from lake.errors import TooManyRequests

CALLERS_KEPT = 10_000  # the longest silent is forgotten first, and starts anew
MINUTE = 60
ROUNDED = 1e-9  # of a token: who has waited as told must not be told to wait again
FREE = (304, 503)  # statuses of what cost nothing, or was not the caller's fault


@dataclass(frozen=True, slots=True)
class Standing:
    """What a caller has left.

    Attributes:
        left: Requests that would be taken now.
        more_s: After how many seconds there is one more; 0: there are all.
    """

    left: int
    more_s: int


class Throttle:
    """Buckets of tokens, one a caller; safe to share between threads.

    Args:
        per_minute: Tokens that come back in a minute; 0: nobody is limited.
        burst: Tokens of a full bucket.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        per_minute: int,
        burst: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.per_minute = per_minute
        self.burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def policy(self) -> str:
        """The ``RateLimit-Policy`` field (an IETF draft, version 11)."""
        return f'"default";q={self.per_minute};w={MINUTE};flowlake-burst={self.burst}'

    def take(self, caller: str, cost: float = 1) -> None:
        """Take tokens for a request.

        Raises:
            TooManyRequests: There are not enough; none is taken.
        """
        cost = min(cost, self.burst)
        with self._lock:
            tokens = self._tokens(caller)
            if tokens < cost - ROUNDED:
                self._keep(caller, tokens)
                raise TooManyRequests(self._seconds(cost - tokens))
            self._keep(caller, tokens - cost)

    def charge(self, caller: str, cost: float) -> None:
        """Take what a request has cost beside its first token, be it into debt.

        Args:
            caller: As it was for `take`.
            cost: In tokens, such as a share of the bytes that were read; below zero:
                given back.
        """
        with self._lock:
            self._keep(caller, min(self._tokens(caller) - cost, self.burst))

    def standing(self, caller: str) -> Standing:
        """Return what a caller has left."""
        with self._lock:
            tokens = self._tokens(caller)
        left = max(math.floor(tokens), 0)
        return Standing(
            left, 0 if left >= self.burst else self._seconds(left + 1 - tokens)
        )

    def __len__(self) -> int:
        """Return how many callers are remembered."""
        return len(self._buckets)

    def _tokens(self, caller: str) -> float:
        tokens, since = self._buckets.get(caller, (float(self.burst), 0.0))
        back = (self._clock() - since) * self.per_minute / MINUTE
        return min(tokens + back, self.burst)

    def _keep(self, caller: str, tokens: float) -> None:
        self._buckets[caller] = (tokens, self._clock())
        self._buckets.move_to_end(caller)
        while len(self._buckets) > CALLERS_KEPT:
            self._buckets.popitem(last=False)

    def _seconds(self, tokens: float) -> int:
        return max(math.ceil(tokens * MINUTE / self.per_minute), 1)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One counted request; what it turns out to cost more is charged here."""

    throttle: Throttle
    caller: str

    def charge(self, cost: float) -> None:
        """Charge what the request has cost beside its first token."""
        self.throttle.charge(self.caller, cost)


def count(request: HTTPConnection, throttle: Throttle) -> None:
    """Count a request against its caller; it must be known by now who that is.

    Args:
        request: Its ``state.principal``, if there is one, says who asks.
        throttle: The buckets.

    Raises:
        TooManyRequests: The caller has none left.
    """
    if not throttle.per_minute:
        return
    ticket = Ticket(throttle, _caller(request))
    request.state.ticket = ticket
    throttle.take(ticket.caller)


class RateFields:
    """Tells what is left in every counted answer, and gives back what is free.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""

        async def told(message: Message) -> None:
            ticket = scope.get("state", {}).get("ticket")
            if ticket and message["type"] == "http.response.start":
                if message["status"] in FREE:
                    ticket.charge(-1)
                _tell(ticket, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, told)


def _tell(ticket: Ticket, headers: MutableHeaders) -> None:
    standing = ticket.throttle.standing(ticket.caller)
    headers["RateLimit-Policy"] = ticket.throttle.policy
    headers["RateLimit"] = f'"default";r={standing.left};t={standing.more_s}'


def _caller(request: HTTPConnection) -> str:
    """Return the key's id; where nobody needs one, the network that asks."""
    principal = getattr(request.state, "principal", LOCAL)
    if principal != LOCAL:
        return f"key {principal.key_id}"
    return f"address {_network(request.client.host if request.client else '')}"


def _network(host: str) -> str:
    """Return the address, or of IPv6 the /64 that one customer has."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    return str(ipaddress.ip_network((int(address), 64), strict=False))
