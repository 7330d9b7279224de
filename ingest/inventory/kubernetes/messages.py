"""What a watch says, live or saved, in the order in which it was said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingest.inventory.kubernetes.allow import Document


@dataclass(frozen=True, slots=True)
class Begin:
    """A listing of a kind begins, or begins anew."""

    kind: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a listing; as ``allow.cut_down`` leaves them."""

    kind: str
    documents: list[Document]


@dataclass(frozen=True, slots=True)
class Listed:
    """The listing of some kinds is complete, and a watch of them begins with it.

    Attributes:
        kinds: Those that one stream watches together.
        at: When the listing was so; UTC. None: that is not known.
        cluster: The cluster's name, where a recording tells it.
    """

    kinds: frozenset[str]
    at: datetime | None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An object was added, modified or deleted.

    Attributes:
        type: ``ADDED``, ``MODIFIED`` or ``DELETED``.
        document: The object as ``allow.cut_down`` leaves it; its last state if it was
            deleted.
        at: When this was received; UTC. None: that is not known.
        proof: Until here everything that was sent has been received; None: it cannot
            be said, as when more was waiting behind this.
    """

    type: str
    kind: str
    document: Document
    at: datetime | None
    proof: datetime | None


@dataclass(frozen=True, slots=True)
class Alive:
    """Everything that was sent until ``at`` has been received."""

    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Something may have been missed from here on, until the kind is listed again.

    Attributes:
        kind: None: any kind.
        at: Until here nothing was missed, if that is earlier than what is known.
    """

    kind: str | None
    at: datetime | None = None


Message = Begin | Page | Listed | Event | Alive | Gap
