"""The metadata that lies beside a table's files, whatever a catalog knows of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyiceberg.io import FileIO
from pyiceberg.serializers import FromInputFile
from pyiceberg.table.metadata import TableMetadata

from lake.places import Found, Place

VERSION = re.compile(r"/v?(\d+)(?:-[^/]+)?\.metadata\.json$")


def newest_metadata(file_io: FileIO, place: str) -> list[tuple[str, TableMetadata]]:
    """Return the metadata of the highest version, with its path.

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
    versions = list(_versions(Place(file_io, folder)))
    highest = max((number for number, _ in versions), default=-1)
    names = [f"{folder}/{found.path.rsplit('/', 1)[1]}"
             for number, found in versions if number == highest]  # fmt: skip
    return [
        (name, FromInputFile.table_metadata(file_io.new_input(name))) for name in names
    ]


def _versions(place: Place) -> Iterator[tuple[int, Found]]:
    for found in place.files():
        match = VERSION.search(found.path)
        if match:
            yield int(match[1]), found
