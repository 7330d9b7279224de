"""The secret of the service that the hashes of keys depend on."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from api.access.apikey import ApiKey
from lake.errors import SettingsError
from lake.settings import Settings

FILE = "keys.pepper"
_VARIABLE = "FLOWLAKE_KEY_PEPPER"


class Pepper:
    """Hashes keys; without it a stolen table of hashes proves nothing.

    Args:
        secret: The pepper itself.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        # Which pepper a hash was made with, so that another one is told from a
        # wrong key.
        self.mark = self._hmac(b"flowlake pepper")[:16]

    def hash(self, key: ApiKey) -> str:
        """Return the keyed hash of a key, its id included."""
        return self._hmac(f"{key.id}_{key.secret}".encode())

    def fits(self, key: ApiKey, stored: str) -> bool:
        """Whether a key has a stored hash; takes as long if it has not."""
        return hmac.compare_digest(self.hash(key), stored)

    def _hmac(self, text: bytes) -> str:
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()


def find_pepper(settings: Settings) -> Pepper:
    """Return the pepper of the settings, else of the file beside the default store.

    Raises:
        SettingsError: There is none; the message says what to do.
    """
    if settings.key_pepper is not None:
        return Pepper(settings.key_pepper.get_secret_value().encode())
    if settings.keys is not None:
        raise SettingsError(
            f"{_VARIABLE} is not set, and FLOWLAKE_KEYS is: set it to one long random "
            "text, such as of `openssl rand -hex 32`, the same wherever keys are made "
            "and used"
        )
    place = settings.lake_path / FILE
    try:
        secret = place.read_bytes().strip()
    except OSError as error:
        raise SettingsError(
            f"{place} cannot be read ({error.strerror}): it was made with the first "
            f"key; bring it back or set {_VARIABLE} to what it held, else revoke the "
            "keys and create them anew"
        ) from None
    if not secret:
        raise SettingsError(f"{place} is empty: bring back what it held")
    return Pepper(secret)


def ensure_pepper(settings: Settings) -> Pepper:
    """Return the pepper; make its file first where that is the default and missing.

    Raises:
        SettingsError: As `find_pepper`, or the file cannot be written.
    """
    place = settings.lake_path / FILE
    if settings.key_pepper is None and settings.keys is None and not place.exists():
        try:
            _make(place)
        except OSError as error:
            raise SettingsError(
                f"{place} cannot be written: {error.strerror}"
            ) from None
    return find_pepper(settings)


def _make(place: Path) -> None:
    """Write the file whole or not at all; one that another made meanwhile stays."""
    fresh = place.with_name(f".{place.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
        with suppress(FileExistsError):
            place.hardlink_to(fresh)
    finally:
        fresh.unlink()
