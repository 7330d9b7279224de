"""API keys: made once, shown once, checked with every request."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property

import structlog

from api.access.apikey import ApiKey, new_key, read_key
from api.access.keystore import ALIVE_OF_ONE_NAME, KeyStore, StoredKey
from api.access.pepper import Pepper, ensure_pepper, find_pepper
from api.access.principal import Principal, Scope
from lake.errors import (
    AccessUnavailable,
    NotAuthenticated,
    SettingsError,
    UsageError,
)
from lake.settings import Settings
from queries.limits import Limits

log = structlog.get_logger()

USE_NOTED = timedelta(hours=1)  # `last_used` is written no more often
# One sentence for an unknown id and a wrong secret: which ids exist is not told.
_NO_KEY = "the key is not one of this service"


class Keys:
    """The keys of one service; safe to share between threads.

    Args:
        settings: Where keys and pepper are.

    Raises:
        SettingsError: ``FLOWLAKE_KEYS`` is no database URL.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = KeyStore(settings)
        self._are_there = False
        self._noted: dict[str, datetime] = {}

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def are_there(self) -> bool:
        """Whether keys have ever been made; once that is so, it stays so.

        A store that cannot be read may hold keys.
        """
        if not self._are_there:
            try:
                self._are_there = self._store.is_there()
            except AccessUnavailable:
                return True
        return self._are_there

    def check_pepper(self, now: datetime) -> None:
        """Refuse a pepper that no living key was made with.

        Raises:
            SettingsError: It is another one, or there is none although there are keys.
            AccessUnavailable: The store cannot be read.
        """
        made_with = self._peppers(now)
        if made_with and self._pepper.mark not in made_with:
            raise SettingsError(
                f"FLOWLAKE_KEY_PEPPER is not what the keys in {self._store.where} were "
                "made with: set it to that, or revoke them and create them anew"
            )

    def principal(self, text: str, now: datetime) -> Principal:
        """Return whose key a text is.

        Raises:
            NotAuthenticated: It is no key, or one that is revoked or expired.
            AccessUnavailable: The store cannot be read, or the pepper is not there.
        """
        key = read_key(text)
        if key is None:
            raise NotAuthenticated("the key is cut or mistyped: its checksum is wrong")
        stored = self._store.find(key.id)
        # Hashed and compared for an unknown id too, so that it takes as long.
        fits = self._pepper_now().fits(key, stored.hash if stored else "")
        if stored is None or not fits:
            if stored and stored.pepper != self._pepper_now().mark:
                log.error("key_of_another_pepper", key_id=key.id)
            raise NotAuthenticated(_NO_KEY)
        if (state := stored.state(now)) != "alive":
            raise NotAuthenticated(f"the key {key.id} is {state}: ask for a new one")
        self._note_use(stored, now)
        return Principal(stored.name, stored.id, stored.scopes, stored.limits)

    def create(
        self,
        name: str,
        scopes: frozenset[Scope],
        *,
        limits: Limits,
        now: datetime,
        expires: datetime | None,
    ) -> tuple[ApiKey, StoredKey]:
        """Make a key; store, table and pepper too where they are not there yet.

        Returns:
            The key, which is nowhere else, and what is stored of it.

        Raises:
            UsageError: Two keys of this name are alive.
            SettingsError: The pepper is missing or not that of the other keys.
            AccessUnavailable: The store cannot be written.
        """
        self._settings.lake_path.mkdir(parents=True, exist_ok=True)
        if not self._peppers(now):
            ensure_pepper(self._settings)
        self.check_pepper(now)
        key = new_key()
        stored = StoredKey(
            id=key.id,
            name=name,
            hash=self._pepper.hash(key),
            pepper=self._pepper.mark,
            scopes=scopes,
            limits=limits,
            created=now,
            expires=expires,
        )
        if not self._store.add(stored):
            raise UsageError(
                f"{name} has {ALIVE_OF_ONE_NAME} keys alive, enough to change from one "
                "to the other: `flowlake keys list` shows them, `flowlake keys revoke "
                "ID` ends one"
            )
        return key, stored

    def list(self) -> list[StoredKey]:
        """Return every key, by name, the newest of a name first.

        Raises:
            AccessUnavailable: The store cannot be read.
        """
        return self._store.all()

    def revoke(self, key_id: str, now: datetime) -> StoredKey:
        """End a key at once; one that was revoked stays as it is.

        Args:
            key_id: Its id, or the whole key.
            now: UTC.

        Raises:
            UsageError: No key has this id.
            AccessUnavailable: The store cannot be read or written.
        """
        whole = read_key(key_id)
        wanted = whole.id if whole else key_id
        found = self._store.find(wanted)
        if found is None:
            raise UsageError(f"no key has the id {wanted!r}: see `flowlake keys list`")
        self._store.revoke(wanted, now)
        return found if found.revoked_at else replace(found, revoked_at=now)

    @cached_property
    def _pepper(self) -> Pepper:
        return find_pepper(self._settings)

    def _peppers(self, now: datetime) -> set[str]:
        """Return the marks of what the living keys were made with."""
        return {k.pepper for k in self._store.all() if k.state(now) == "alive"}

    def _pepper_now(self) -> Pepper:
        """Return the pepper to check a request with; what is missing is for the log."""
        try:
            return self._pepper
        except SettingsError as error:
            log.error("keys_unavailable", cause=str(error))  # noqa: TRY400
            raise AccessUnavailable(
                "keys cannot be checked now: the log says more"
            ) from None

    def _note_use(self, key: StoredKey, now: datetime) -> None:
        last = max(filter(None, (key.last_used, self._noted.get(key.id))), default=None)
        if last is not None and now - last < USE_NOTED:
            return
        self._noted[key.id] = now  # also where it fails: a store may be read-only
        try:
            self._store.touch(key.id, now)
        except AccessUnavailable:
            log.warning("key_use_not_noted", key_id=key.id)
