"""Where the simulation writes: a directory, or an S3 prefix."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol


class Place(Protocol):
    """Something that keeps objects by key."""

    def write(self, key: str, body: bytes) -> None:
        """Keep an object."""

    def put(self, key: str, file: Path) -> None:
        """Keep a file's content as an object."""


class Directory:
    """A directory on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, key: str, body: bytes) -> None:
        """Write a file, its folders too."""
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def put(self, key: str, file: Path) -> None:
        """Copy a file, its folders too."""
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, path)


class Bucket:
    """A prefix of an S3 bucket; endpoint and credentials as AWS tools take them."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""

    def write(self, key: str, body: bytes) -> None:
        """Put one object."""
        _client().put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body)

    def put(self, key: str, file: Path) -> None:
        """Put one object, in parts if it is large."""
        _client().upload_file(str(file), self._bucket, self._prefix + key)


@lru_cache(maxsize=1)
def _client() -> Any:
    import boto3

    return boto3.session.Session().client("s3")


def place_of(out: str) -> Place:
    """Return the place that ``out`` names."""
    if out.startswith("s3://"):
        bucket, _, prefix = out.removeprefix("s3://").partition("/")
        return Bucket(bucket, prefix)
    return Directory(Path(out))
