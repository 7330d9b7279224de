"""The table of API keys: their hashes, what they are for, how long they live."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from api.access.principal import Scope
from lake.databases import with_driver
from lake.errors import AccessUnavailable, SettingsError
from lake.settings import Settings
from queries.limits import Limits

log = structlog.get_logger()

FILE = "keys.sqlite"
ALIVE_OF_ONE_NAME = 2  # the old one and the new one, while holders change over
_WAIT_S = 30
_KINDS = ("accounts", "vpcs", "namespaces")

_metadata = sa.MetaData()
_keys = sa.Table(
    "flowlake_keys",
    _metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, index=True),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("pepper", sa.String(16), nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("limits", sa.Text, nullable=False),
    # Times are seconds since 1970, UTC: SQLite has none of its own.
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("last_used", sa.BigInteger),
)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of a key; not the key.

    Attributes:
        hash: Its keyed hash.
        pepper: The mark of the pepper that the hash was made with.
        expires: UTC; None: never.
        last_used: UTC, to the hour or so; None: not yet.
    """

    id: str
    name: str
    hash: str
    pepper: str
    scopes: frozenset[Scope]
    limits: Limits
    created: datetime
    expires: datetime | None = None
    revoked_at: datetime | None = None
    last_used: datetime | None = None

    def state(self, now: datetime) -> str:
        """Return ``alive``, ``revoked`` or ``expired``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires and self.expires <= now else "alive"


class KeyStore:
    """The table in its database; safe to share between threads.

    Args:
        settings: Where it is.

    Raises:
        SettingsError: ``FLOWLAKE_KEYS`` is no database URL.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = _url(settings)
        self._file = _file(self._url)
        self._is_made = False
        # A file is opened anew each time, so that one put in its place is seen.
        pool: dict[str, Any] = (
            {"poolclass": NullPool, "connect_args": {"timeout": _WAIT_S}}
            if self._file
            else {"pool_pre_ping": True}
        )
        try:
            self._engine = sa.create_engine(self._url, hide_parameters=True, **pool)
        except (SQLAlchemyError, ImportError) as error:
            raise SettingsError(
                f"FLOWLAKE_KEYS: {self.where} cannot be opened, "
                f"{type(error).__name__}: postgresql://… needs flowlake[postgres]"
            ) from None

    @property
    def where(self) -> str:
        """The database, for messages; without its password."""
        return str(self._file or self._url.render_as_string(hide_password=True))

    def close(self) -> None:
        """Close what is open."""
        self._engine.dispose()

    def is_there(self) -> bool:
        """Whether keys have ever been made here.

        Raises:
            AccessUnavailable: The database cannot be read.
        """
        return bool(self._rows(sa.select(_keys.c.id).limit(1)))

    def find(self, key_id: str) -> StoredKey | None:
        """Return a key by its id.

        Raises:
            AccessUnavailable: The database cannot be read.
        """
        rows = self._rows(sa.select(_keys).where(_keys.c.id == key_id))
        return _stored(rows[0]) if rows else None

    def all(self) -> list[StoredKey]:
        """Return every key, by name, the newest of a name first.

        Raises:
            AccessUnavailable: The database cannot be read.
        """
        order = (_keys.c.name, _keys.c.created.desc(), _keys.c.id)
        return list(map(_stored, self._rows(sa.select(_keys).order_by(*order))))

    def add(self, key: StoredKey) -> bool:
        """Add a key; the table is made if need be.

        Returns:
            False, and nothing is added: too many of this name are alive.

        Raises:
            AccessUnavailable: The database cannot be written.
        """
        now = _second(key.created)
        alive = sa.and_(
            _keys.c.name == key.name,
            _keys.c.revoked_at.is_(None),
            sa.or_(_keys.c.expires.is_(None), _keys.c.expires > now),
        )
        with self._writing() as database:
            _metadata.create_all(database)
            # Insert, then lock, then count: of two that do so at once one sees both.
            database.execute(sa.insert(_keys).values(_row(key)))
            of_name = sa.select(_keys.c.id).where(alive)
            database.execute(of_name.with_for_update()).all()
            if len(database.execute(of_name).all()) <= ALIVE_OF_ONE_NAME:
                return True
            database.rollback()
            return False

    def revoke(self, key_id: str, at: datetime) -> None:
        """Revoke a key; one that is revoked stays as it is."""
        self._set(key_id, "revoked_at", at)

    def touch(self, key_id: str, at: datetime) -> None:
        """Note that a key was used."""
        self._set(key_id, "last_used", at)

    def _set(self, key_id: str, column: str, at: datetime) -> None:
        wanted = sa.and_(_keys.c.id == key_id, _keys.c.revoked_at.is_(None))
        change = sa.update(_keys).where(wanted).values({column: _second(at)})
        with self._writing() as database:
            database.execute(change)

    def _rows(self, asked: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """Return what is asked for; nothing where no key has been made yet."""
        if self._file and not self._file.exists():
            return []
        with self._errors("read"), self._engine.connect() as database:
            if not self._is_made:
                self._is_made = sa.inspect(database).has_table(_keys.name)
            return database.execute(asked).all() if self._is_made else []

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._errors("written"):
            if self._file:
                _make_private(self._file)
            with self._engine.begin() as database:
                yield database

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            log.error("keys_unavailable", where=self.where, cause=str(cause))  # noqa: TRY400
            raise AccessUnavailable(
                f"the keys cannot be {done} now: the log says more"
            ) from None


def _url(settings: Settings) -> sa.URL:
    if settings.keys is None:
        return sa.URL.create("sqlite", database=str(settings.lake_path / FILE))
    try:
        return sa.make_url(with_driver(settings.keys.get_secret_value()))
    except (SQLAlchemyError, ValueError):  # a port that is no number
        raise SettingsError(
            "FLOWLAKE_KEYS is no database URL: try sqlite:////path/keys.sqlite or "
            "postgresql://user:password@host/database"
        ) from None


def _file(url: sa.URL) -> Path | None:
    is_file = url.get_backend_name() == "sqlite" and url.database
    return Path(str(url.database)) if is_file else None


def _make_private(file: Path) -> None:
    """Make the file for its owner alone, before SQLite would make it for all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def _row(key: StoredKey) -> dict[str, Any]:
    limits = {kind: sorted(getattr(key.limits, kind)) for kind in _KINDS}
    return {
        "id": key.id,
        "name": key.name,
        "hash": key.hash,
        "pepper": key.pepper,
        "scopes": json.dumps(sorted(key.scopes)),
        "limits": json.dumps(limits),
        "created": _second(key.created),
        "expires": key.expires and _second(key.expires),
        "revoked_at": key.revoked_at and _second(key.revoked_at),
        "last_used": key.last_used and _second(key.last_used),
    }


def _stored(row: sa.Row[Any]) -> StoredKey:
    limits = json.loads(row.limits)
    return StoredKey(
        id=row.id,
        name=row.name,
        hash=row.hash,
        pepper=row.pepper,
        scopes=frozenset(s for s in Scope if s in json.loads(row.scopes)),
        limits=Limits(**{kind: frozenset(ids) for kind, ids in limits.items()}),
        created=datetime.fromtimestamp(row.created, UTC),
        expires=_moment(row.expires),
        revoked_at=_moment(row.revoked_at),
        last_used=_moment(row.last_used),
    )


def _second(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(second: int | None) -> datetime | None:
    return None if second is None else datetime.fromtimestamp(second, UTC)
