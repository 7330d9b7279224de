"""The documentation page: made from the catalogue, works offline, runs no script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from api.negotiate import FORMATS
from api.problems import known_problems
from queries.answers import META_NAMES
from queries.catalogue import load_catalogue
from queries.contract import Parameter, Report

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #1b1f24; background: #fff }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
  border-bottom: 1px solid #d0d7de }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { background: #f3f4f6; padding: .75rem; overflow-x: auto }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 } a { color: #79b8ff }
  pre { background: #161b22 } th, td { border-color: #30363d } }
"""


def docs_page(base_url: str) -> str:
    """Return the page as HTML.

    Args:
        base_url: Where this service is reached, for examples that can be pasted.
    """
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>flowlake API</title><style>{STYLE}</style>",
        "<h1>flowlake API</h1>",
        "<p>Every answer carries <code>meta</code>: the snapshot it was computed "
        "from, the window, how far the data reaches, how complete it is. For tools: "
        "<a href='/openapi.json'>openapi.json</a>.</p>",
        *_meta(),
        *_reports(base_url),
        *_service(),
        *_formats(),
        *_problems(),
    ]
    return "\n".join(parts)


def _meta() -> Iterator[str]:
    yield "<h2>meta</h2><p>The same names on every surface.</p>"
    yield _table(("name", "says"), META_NAMES.items())


def _reports(base_url: str) -> Iterator[str]:
    yield "<h2>Reports</h2>"
    for report in load_catalogue().values():
        name = escape(report.name)
        yield f"<h3 id='{name}'>GET /v1/reports/{name}</h3>"
        yield f"<p>{escape(report.sentence)} {escape(report.note)}</p>"
        yield f"<pre>curl '{escape(base_url)}v1/reports/{name}{_example(report)}'</pre>"
        yield _table(
            ("parameter", "default", "meaning"), map(_parameter, report.parameters)
        )
        columns = ((c.name, c.type) for c in report.columns)
        yield _table(("column", "type"), columns)
        yield f"<p>Ordered by {escape(report.sorted_by)}.</p>"


def _example(report: Report) -> str:
    return "?since=24h" if report.windowed else ""


def _parameter(parameter: Parameter) -> tuple[str, str, str]:
    meaning = parameter.meaning
    if parameter.allowed:
        meaning += f" One of {', '.join(parameter.allowed)}."
    if parameter.is_list:
        meaning += " Repeatable: any of them."
    return parameter.name, parameter.default or "", meaning


def _service() -> Iterator[str]:
    yield "<h2>Service</h2>"
    yield _table(
        ("path", "answers"),
        [
            ("/v1/reports", "The catalogue."),
            ("/v1/status", "What the lake holds, how fresh, what was not readable."),
            ("/openapi.json", "This page for tools."),
            ("/healthz", "200 while the process answers."),
            ("/readyz", "200 while the lake can be read, else 503."),
        ],
    )


def _formats() -> Iterator[str]:
    yield "<h2>Formats</h2>"
    yield (
        "<p>Chosen by <code>Accept</code> or <code>?format=</code>. Where the body "
        "holds rows only, <code>meta</code> is in the <code>Flowlake-Meta</code> "
        "header. HEAD answers as GET without the body. Send "
        "<code>If-None-Match</code> with the <code>ETag</code>: while "
        "neither lake nor question has changed the answer is 304.</p>"
    )
    yield _table(
        ("format", "media type"),
        [(f.name, ", ".join(f.media_types)) for f in FORMATS.values()],
    )


def _problems() -> Iterator[str]:
    yield "<h2>Problems</h2><p>Errors are <code>application/problem+json</code>.</p>"
    rows = "".join(
        f"<tr id='{anchor}'><td>{status}<td>{title}<td>{escape(sentence)}"
        for anchor, title, status, sentence in known_problems()
    )
    yield f"<table><tr><th>status<th>title<th>meaning{rows}</table>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(h)}" for h in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in rows
    )
    return f"<table><tr>{head}{body}</table>"
