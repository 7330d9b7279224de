"""Documents of a saved file, JSON or YAML, one element of a list at a time.

A list of 50,000 pods is 300 MB of text and several times that as objects; here no more
than one block of text and one element of ``items`` is held at a time.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

from ingest.inventory.kubernetes.allow import KINDS
from lake.errors import SettingsError

# The keys of a document seen so far, without ``items``, and one of its items; or all of
# its keys and None where it ends.
Part = tuple[dict[str, Any], Any | None]

WATCH_TYPES = frozenset(
    {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "LIST", "GAP"}
)
HEAD = 1 << 16  # bytes that tell what a file holds
BLOCK = 1 << 20  # characters
LONGEST_VALUE = 64 << 20  # characters; the API refuses an object beyond 1.5 MB
_YAML = re.compile(
    rb"^(?:---|(?:apiVersion|kind|items|type|object)[ \t]*:)", re.MULTILINE
)
_YAML_KIND = re.compile(r"([ -]*)kind:[ \t]*([A-Za-z]+)")
_YAML_ITEM = re.compile(r" *- +")
_YAML_WATCH = re.compile(rb"^(?:object:|type:[ \t]*ADDED)", re.MULTILINE)
_JSON_SIGNS = (b"{", b"[")
_BLANK = " \t\r\n\0"


class BrokenDocument(Exception):
    """A file stops being what it began as.

    Attributes:
        truncated: It ends too early; what came before is whole.
    """

    def __init__(self, detail: str, *, truncated: bool = False) -> None:
        self.truncated = truncated
        super().__init__(detail)


def open_documents(path: Path) -> Generator[Part]:
    """Give the parts of every document in a file; nothing if it holds none.

    Raises:
        BrokenDocument: It does; what came before has been given.
        OSError: It cannot be read.
        SettingsError: It is YAML, and PyYAML is not installed.
    """
    try:
        with _opened(path) as stream:
            head, encoding = _head(stream)
            with io.TextIOWrapper(stream, encoding=encoding, errors="replace") as text:
                if head[:1] in _JSON_SIGNS:
                    yield from _Json(text).parts()
                elif _YAML.search(head):
                    yield from _yaml(text)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BrokenDocument(str(error), truncated=True) from error


def kind_in(path: Path) -> str | None:
    """Return what to read a file as: the first kind in it that is read, or ``watch``.

    Else its first kind, None if it holds no object. A list may be of several kinds
    (``kubectl get deploy,pods``), so objects of other kinds are passed over, but
    nothing after a document that is not Kubernetes's. No more is held at a time than by
    `open_documents`; of YAML, which parses a long list as one document, a line.

    Raises:
        BrokenDocument, OSError: As `open_documents` does.
    """
    first = None
    with closing(_kinds(path)) as kinds:
        for kind in kinds:
            if kind in KINDS or kind == "watch":
                return kind
            first = first or kind
    return first


def _kinds(path: Path) -> Generator[str]:
    with _opened(path) as stream:
        head, encoding = _head(stream)
        if head[:1] not in _JSON_SIGNS and _YAML.search(head):
            if _YAML_WATCH.search(head):
                yield "watch"
            with io.TextIOWrapper(stream, encoding=encoding, errors="replace") as text:
                yield from _yaml_kinds(text)
            return
    with closing(open_documents(path)) as parts:
        for header, item in parts:
            if str(header.get("type")) in WATCH_TYPES:
                yield "watch"
            shown = item if isinstance(item, dict) and "kind" in item else header
            if item is None or "kind" in shown:
                yield str(shown.get("kind", "")).removesuffix("List")
                if "apiVersion" not in shown:
                    return


def _yaml_kinds(text: io.TextIOBase) -> Iterator[str]:
    """Give the kinds of objects and of the items of lists, read line by line."""
    inside: int | None = None  # how far the keys of items are indented; -1: unknown yet
    while line := text.readline(BLOCK):
        if line[0].isalpha():
            inside = -1 if line.startswith("items:") else None
        elif inside == -1 and (item := _YAML_ITEM.match(line)):
            inside = len(item[0])
        if (kind := _YAML_KIND.match(line)) and len(kind[1]) in (0, inside):
            yield kind[2].removesuffix("List")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    raw: Any
    with path.open("rb", buffering=HEAD) as raw:
        if raw.peek(2)[:2] != b"\x1f\x8b":
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as unpacked:
            plain = cast("io.RawIOBase", unpacked)
            with io.BufferedReader(plain, HEAD) as stream:
                yield stream


def _head(stream: Any) -> tuple[bytes, str]:
    """Return how a file begins, without what is blank or unseen, and its encoding."""
    head = stream.peek(HEAD)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):  # PowerShell's way of writing output
        return head[2:].replace(b"\0", b"").lstrip(), "utf-16"
    return head.removeprefix(b"\xef\xbb\xbf").lstrip(), "utf-8-sig"


class _Json:
    """JSON documents one after the other, with or without anything between them."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._decode = json.JSONDecoder().raw_decode
        self._buffer = ""
        self._at = 0

    def parts(self) -> Iterator[Part]:
        while (sign := self._sign()) != "":
            if sign == "[":
                yield from (({}, item) for item in self._array())
                yield {}, None
            elif sign == "{":
                yield from self._object()
            else:
                raise BrokenDocument(f"{sign!r} where a document should begin")

    def _object(self) -> Iterator[Part]:
        found: dict[str, Any] = {}
        self._at += 1
        while (sign := self._sign(needed=True)) != "}":
            if sign == ",":
                self._at += 1
                continue
            name = self._value()
            if self._sign(needed=True) != ":":
                raise BrokenDocument("no colon after a name")
            self._at += 1
            if name == "items" and self._sign(needed=True) == "[":
                yield from ((found, item) for item in self._array())
            else:
                found[str(name)] = self._value()
        self._at += 1
        yield found, None

    def _array(self) -> Iterator[Any]:
        self._at += 1
        while (sign := self._sign(needed=True)) != "]":
            if sign == ",":
                self._at += 1
            else:
                yield self._value()
        self._at += 1

    def _sign(self, *, needed: bool = False) -> str:
        """Return the next character that is not blank; empty at the end."""
        while True:
            while self._at < len(self._buffer):
                sign = self._buffer[self._at]
                if sign not in _BLANK:
                    return sign
                self._at += 1
            if not self._more():
                if needed:
                    raise BrokenDocument("it ends within a document", truncated=True)
                return ""

    def _value(self) -> Any:
        self._sign(needed=True)
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
            except RecursionError as error:
                raise BrokenDocument("a value too deep to be an object") from error
            except json.JSONDecodeError as error:
                if len(self._buffer) - self._at > LONGEST_VALUE:
                    raise BrokenDocument(f"a value beyond {LONGEST_VALUE:,}") from error
                if not self._more():
                    raise BrokenDocument(
                        str(error), truncated=_is_cut(error)
                    ) from error
            else:
                # A number at the end of the block may go on in the next one.
                if end < len(self._buffer) or not self._more():
                    self._at = end
                    return value

    def _more(self) -> bool:
        """Read on, at least as much again as is waiting; False at the end."""
        left = self._buffer[self._at :]
        block = self._text.read(max(BLOCK, len(left)))
        self._buffer, self._at = left + block, 0
        return bool(block)


def _is_cut(error: json.JSONDecodeError) -> bool:
    """Return whether a text is JSON up to its end, and no more than unfinished."""
    left = error.doc[error.pos :]
    words = ("true", "false", "null", "-")
    return error.msg.startswith("Unterminated") or any(
        w.startswith(left) for w in words
    )


def _yaml(text: io.TextIOBase) -> Iterator[Part]:
    try:
        import yaml
    except ImportError:
        raise SettingsError(
            "reading YAML needs PyYAML: pip install 'flowlake[kubernetes]', or save "
            "with -o json"
        ) from None
    try:
        for document in yaml.load_all(text, _yaml_loader()):  # a safe one
            if isinstance(document, dict):
                items = document.get("items")
                if isinstance(items, list):
                    del document["items"]
                    yield from ((document, item) for item in items)
                yield document, None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BrokenDocument(str(error).replace("\n", " ")) from error


def _yaml_loader() -> Any:
    """Return a safe loader that leaves times as the text that JSON has for them."""
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        sign: [
            (tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")
        ]
        for sign, found in base.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})
