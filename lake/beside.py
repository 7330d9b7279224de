"""The metadata that lies beside a table's files, whatever a catalog knows of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyiceberg.exceptions import ValidationError
from pyiceberg.io import FileIO
from pyiceberg.serializers import FromInputFile
from pyiceberg.table.metadata import TableMetadata

from lake.places import Found, Place

VERSION = re.compile(r"/v?(\d+)(?:-[^/]+)?\.metadata\.json$")


def newest_metadata(file_io: FileIO, place: str) -> list[tuple[str, TableMetadata]]:
    """Return the metadata of the highest version, with its path.

    What is not whole is passed over: another process just writes it, or was killed.

    Args:
        file_io: The access to the table's files.
        place: The table's folder; it need not exist.

    Returns:
        Several if commits met on that version, none if there is no metadata.

    Raises:
        LakeError: The folder cannot be reached through PyArrow.
        OSError: It cannot be listed or read.
    """
    folder = f"{place}/metadata"
    named: dict[int, list[str]] = {}
    for number, found in _versions(Place(file_io, folder)):
        named.setdefault(number, []).append(f"{folder}/{found.path.rsplit('/', 1)[1]}")
    for number in sorted(named, reverse=True):
        read = [(name, _whole(file_io, name)) for name in named[number]]
        whole = [(name, metadata) for name, metadata in read if metadata is not None]
        if whole:
            return whole
    return []


def _whole(file_io: FileIO, name: str) -> TableMetadata | None:
    try:
        return FromInputFile.table_metadata(file_io.new_input(name))
    except ValidationError:
        return None


def _versions(place: Place) -> Iterator[tuple[int, Found]]:
    for found in place.files():
        match = VERSION.search(found.path)
        if match:
            yield int(match[1]), found
