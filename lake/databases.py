"""Database URLs as people write them."""

from __future__ import annotations


def with_driver(url: str) -> str:
    """Name the driver that comes with flowlake[postgres], where none is named.

    SQLAlchemy takes psycopg 3 for ``postgresql://`` since its version 2.1.
    """
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres"):
        scheme = "postgresql+psycopg2"
    return f"{scheme}{separator}{rest}"
