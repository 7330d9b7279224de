"""Country and AS of addresses, by MaxMind DB files that users bring.

Without one, `country_of`, `as_number_of` and `as_name_of` are macros that know nothing;
with one they call functions of ours, on Arrow columns, each distinct address once.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import maxminddb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import sqltypes
from duckdb.func import FunctionNullHandling, PythonUDFType

from lake.errors import SettingsError, reason

KEPT = 1_000_000  # addresses whose answer is remembered; some 200 bytes each
NOTHING = (None, None, None)

Place = tuple[str | None, int | None, str | None]
# Of each function the column of a place that it returns, and its types.
FUNCTIONS: Mapping[str, tuple[int, Any, pa.DataType]] = {
    "country_of": (0, sqltypes.VARCHAR, pa.string()),
    "as_number_of": (1, sqltypes.BIGINT, pa.int64()),
    "as_name_of": (2, sqltypes.VARCHAR, pa.string()),
}


class Places:
    """Databases of countries and of autonomous systems; the first that knows tells.

    Safe to share between threads.

    Args:
        readers: Opened, in the order in which they are asked.
    """

    def __init__(self, readers: Sequence[maxminddb.Reader]) -> None:
        self._readers = readers
        self._known: dict[str, Place] = {}

    @property
    def version(self) -> str | None:
        """Changes with the databases; None: there are none."""
        if not self._readers:
            return None
        built = [(m.database_type, m.build_epoch, m.node_count)
                 for m in (reader.metadata() for reader in self._readers)]  # fmt: skip
        return hashlib.sha256(repr(built).encode()).hexdigest()[:12]

    def create(self, database: duckdb.DuckDBPyConnection) -> None:
        """Make the functions of a database know what the files know."""
        if not self._readers:
            return
        for name, (column, type_, arrow) in FUNCTIONS.items():
            database.create_function(
                f"mmdb_{name}",
                self._looked_up(column, arrow),
                [sqltypes.VARCHAR],
                type_,
                type=PythonUDFType.ARROW,
                null_handling=FunctionNullHandling.SPECIAL,
            )
            database.execute(
                f"CREATE OR REPLACE MACRO {name}(address) AS mmdb_{name}(address)"
            )

    def of(self, address: str | None) -> Place:
        """Return country, AS number and AS name of an address; null where not known."""
        if address is None:
            return NOTHING
        found = self._known.get(address)
        if found is None:
            if len(self._known) >= KEPT:
                self._known = {}
            found = self._known[address] = self._asked(address)
        return found

    def _asked(self, address: str) -> Place:
        country = number = name = None
        for reader in self._readers:
            told = _record(reader, address)
            country = country or country_in(told)
            number = number or number_in(told)
            name = name or name_in(told)
        return country, number, name

    def _looked_up(self, column: int, type_: pa.DataType) -> Any:
        def look_up(addresses: pa.ChunkedArray) -> pa.Array:
            distinct = pc.unique(addresses)
            values = pa.array([self.of(a)[column] for a in distinct.to_pylist()], type_)
            return values.take(pc.index_in(addresses, value_set=distinct))

        return look_up


def load_places(paths: str | None) -> Places:
    """Open the user's databases.

    Args:
        paths: One, or several between the system's path separators; None: none.

    Raises:
        SettingsError: One of them is no MaxMind DB file.
    """
    given = filter(None, (paths or "").split(os.pathsep))
    return Places([_opened(Path(path).expanduser()) for path in given])


def _opened(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise SettingsError(f"FLOWLAKE_MMDB: {path}: {reason(error)}") from None


def _record(reader: maxminddb.Reader, address: str) -> Mapping[str, Any]:
    try:
        found = reader.get(address)
    except ValueError:  # no address, or of IPv6 in a database of IPv4
        return {}
    return found if isinstance(found, dict) else {}


def country_in(record: Mapping[str, Any]) -> str | None:
    """Return the country's ISO code: of MaxMind's and DB-IP's records, or IPinfo's."""
    for name in ("country", "country_code", "registered_country"):
        told = record.get(name)
        code = told.get("iso_code") if isinstance(told, dict) else told
        if isinstance(code, str) and re.fullmatch("[A-Z]{2}", code):
            return code
    return None


def number_in(record: Mapping[str, Any]) -> int | None:
    """Return the AS number, which IPinfo writes as `AS64496`."""
    told = record.get("autonomous_system_number", record.get("asn"))
    found = re.fullmatch(r"(?:AS)?([0-9]{1,10})", str(told))
    return int(found[1]) if found else None


def name_in(record: Mapping[str, Any]) -> str | None:
    """Return the name of who runs the AS."""
    told = record.get("autonomous_system_organization", record.get("as_name"))
    return told if isinstance(told, str) and told else None
