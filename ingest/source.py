"""What ingest knows of one source object, and what came of reading it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from lake.tables import FLOWS, Table


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One object or file as a listing showed it.

    Attributes:
        identity: Names the object for ever (see ``ingest/keys.py``): the stem of an
            AWS-shaped base name, else ``s3://bucket/key``, else path and hash.
        location: ``s3://bucket/key`` or an absolute path; where to read it.
        etag: The store's entity tag without quotes; a content hash of a local file.
        size: Bytes as stored.
        modified: When the store last wrote it; UTC.
        key_time: The time in an AWS-shaped name; UTC.
        account_id: The account in an AWS-shaped name; text.
        region: The Region in an AWS-shaped name.
        flow_log_id: The flow log in an AWS-shaped name.
    """

    identity: str
    location: str
    etag: str
    size: int
    modified: datetime
    key_time: datetime | None = None
    account_id: str | None = None
    region: str | None = None
    flow_log_id: str | None = None


@dataclass(slots=True)
class Tally:
    """What reading one object gave; lines = headers + flows + silences + quarantined.

    Attributes:
        head: The head table that its flows belong to.
        whole_reason: Why all of the object was quarantined.
    """

    source: SourceObject
    head: Table = FLOWS
    format: str | None = None
    fields: tuple[str, ...] = ()
    extra_fields: tuple[str, ...] = ()
    lines: int = 0
    headers: int = 0
    flows: int = 0
    silences: int = 0
    quarantined: int = 0
    outside_window: int = 0
    first_start: datetime | None = None
    last_start: datetime | None = None
    last_end: datetime | None = None
    whole_reason: str | None = None

    @property
    def balanced(self) -> bool:
        """Whether every line read is accounted for."""
        found = self.headers + self.flows + self.silences + self.quarantined
        return self.lines == found


@dataclass(slots=True)
class Decoded:
    """Rows of one head table, decoded from one or several objects.

    Attributes:
        flows: In ``tables.batch_schema(head)``'s types; columns that are wholly
            null may be left out; ``source_object`` tells the objects apart.
        silences: In ``SILENCES``' columns that the record itself can fill.
        quarantine: In ``QUARANTINE``'s columns that the line itself can fill.
    """

    head: Table
    flows: pa.Table
    silences: pa.Table | None = None
    quarantine: pa.Table | None = None
    tallies: list[Tally] = field(default_factory=list)
