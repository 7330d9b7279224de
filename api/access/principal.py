"""Who asks: what every route is told of the one that called it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from queries.limits import UNLIMITED, Limits


class Scope(StrEnum):
    """What a key or token may be used for; every route declares one."""

    REPORTS = "reports"
    FLOWS = "flows"
    IDENTITIES = "identities"
    STATUS = "status"
    SQL = "sql"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        name: Of the key, or the token's subject; for the audit log.
        key_id: What rate limits count by: the id of the key, `oidc:` and the subject.
        scopes: What it may be used for.
        limits: What its answers are limited to.
    """

    name: str
    key_id: str
    scopes: frozenset[Scope]
    limits: Limits


# Who asks where no authentication is configured, which loopback alone allows.
LOCAL = Principal("local", "local", frozenset(Scope), UNLIMITED)
