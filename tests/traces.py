"""What is left of a text in the files of a lake, whatever they are written in."""

import gzip
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
from pyiceberg.avro.file import AvroFile

from lake.expire import _listed, _live


def traces(folder, *texts):
    """Return which files below a folder hold any of some texts, by name."""
    files = (p for p in Path(folder).rglob("*") if p.is_file())
    return _holding(((str(p), p.read_bytes()) for p in files), texts)


def traces_in(lake, *texts):
    """Return which files of a lake do, wherever its store is."""
    found = ((each.name, _read(place, each)) for place, each in _listed(_live(lake)))
    return _holding(found, texts)


def _read(place, found):
    with place._system.open_input_stream(found.path) as stream:
        return stream.read()


def _holding(files, texts):
    wanted = [text.encode() for text in texts]
    return sorted(
        name
        for name, content in files
        if any(w in plain for plain in _plain(name, content) for w in wanted)
    )


def _plain(name, content):
    """Give a file as it is, and what is in it as it is read."""
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:4] == b"PAR1":
        for column in pq.read_table(io.BytesIO(content)).to_pydict().values():
            yield str(column).encode()
    elif content[:3] == b"Obj":
        yield _avro(content)


def _avro(content):
    """Return the records of a manifest or of a list of them; bounds are bytes there."""
    given: Any = SimpleNamespace(open=lambda: io.BytesIO(content))
    records: Any
    with AvroFile(given) as records:
        return "\n".join(map(str, records)).encode()
