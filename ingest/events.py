"""S3 event notifications: which objects a message says were created."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from ingest.listing import is_log, source_object
from ingest.source import SourceObject
from lake.errors import NotAnEvent

MOST_BYTES = 2**63 - 1  # what `sources` can hold of a size


@dataclass(frozen=True, slots=True)
class Events:
    """What one message tells.

    Attributes:
        objects: Objects that were created.
        ignored: Events of another kind, and objects that are no logs.
    """

    objects: tuple[SourceObject, ...]
    ignored: int


def parse_events(body: str, *, location: str) -> Events:
    """Read a message: plain, wrapped by SNS, or an EventBridge event.

    Args:
        body: The message as the queue holds it.
        location: Names the message in errors.

    Raises:
        NotAnEvent: It is none of these, or lacks what reading the object needs.

    Source:
        AWS S3 User Guide, "Event message structure" and "EventBridge event message
        structure"; Amazon SNS Developer Guide, "Raw message delivery".
    """
    try:
        found = list(_created(json.loads(body)))
    except (ValueError, OverflowError, RecursionError) as error:
        raise NotAnEvent(location, str(error)) from error
    objects = tuple(source for source in found if source is not None)
    return Events(objects, ignored=len(found) - len(objects))


def _created(event: object) -> Iterator[SourceObject | None]:
    """Yield what each event created, None for one that is of no interest."""
    match event:
        case {"Type": "Notification", "Message": str(inner)}:
            yield from _created(json.loads(inner))
        case {"Event": "s3:TestEvent"}:
            yield None
        case {"Records": [_, *_] as records}:
            yield from map(_of_record, records)
        case {"source": "aws.s3", "detail-type": str(), "detail": dict()}:
            yield _of_bridge(event)
        case _:
            raise ValueError("it has neither Records nor an S3 detail")


def _of_record(record: object) -> SourceObject | None:
    match record:
        case {
            "eventName": str(name),
            "eventTime": str(time),
            "s3": {
                "bucket": {"name": str(bucket)},
                "object": {"key": str(key), "eTag": str(etag), "size": int(size)},
            },
        } if _is_creation(name):
            key = unquote_plus(key, errors="strict")
            return _object(bucket, key, etag=etag, size=size, time=time)
        case {"eventName": str(name), "s3": dict()} if not _is_creation(name):
            return None
    raise ValueError("a record names no bucket, key, eTag, size and time")


def _of_bridge(event: object) -> SourceObject | None:
    match event:
        case {"detail-type": str(kind)} if kind != "Object Created":
            return None
        case {
            "time": str(time),
            "detail": {
                "bucket": {"name": str(bucket)},
                # AWS writes the first, its imitations the second.
                "object": {"key": str(key), "etag": str(etag), "size": int(size)}
                | {"key": str(key), "eTag": str(etag), "size": int(size)},
            },
        }:
            return _object(bucket, key, etag=etag, size=size, time=time)
    raise ValueError("its detail names no bucket, key, etag and size")


def _is_creation(name: str) -> bool:
    return name.removeprefix("s3:").startswith("ObjectCreated:")


def _object(
    bucket: str, key: str, *, etag: str, size: int, time: str
) -> SourceObject | None:
    if not is_log(key):
        return None
    if not key or not bucket or "/" in bucket or not 0 <= size <= MOST_BYTES:
        raise ValueError("its bucket, key or size cannot be one of S3's")
    f"{bucket}{key}{etag}".encode()  # JSON can spell text that UTF-8 cannot
    moment = datetime.fromisoformat(time)
    return source_object(
        f"s3://{bucket}/{key}",
        etag=etag.strip('"'),
        size=size,
        modified=moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC),
        local=False,
    )
