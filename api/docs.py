"""The documentation page: made from the catalogue, works offline, runs no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache, lru_cache
from html import escape
from urllib.parse import urlencode

from api.docs_guide import CHAPTERS, table
from queries.answers import META_NAMES
from queries.catalogue import load_catalogue
from queries.contract import Parameter, Report

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #1b1f24; background: #fff }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
  border-bottom: 1px solid #d0d7de }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { background: #f3f4f6; padding: .75rem; overflow-x: auto }
nav a { margin-right: 1rem; white-space: nowrap }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 } a { color: #79b8ff }
  pre { background: #161b22 } th, td { border-color: #30363d } }
"""
# Of what a report must be given, by its type.
_EXAMPLES = {
    "address": "203.0.113.7", "port": "40000", "timestamptz": "2026-01-31T12:00Z",
}  # fmt: skip


@lru_cache(maxsize=16)
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
        "<a href='openapi.json'>openapi.json</a>.</p>",
        _contents(),
        *_reports(base_url),
        *_meta(),
        *_service(),
    ]
    for anchor, (title, write) in CHAPTERS.items():
        parts += [f"<h2 id='{anchor}'>{title}</h2>", *write(escape(base_url))]
    return "\n".join(parts)


@cache
def docs_policy() -> str:
    """Return the page's Content-Security-Policy: its one style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def _contents() -> str:
    chapters = {
        "reports": "Reports",
        "meta": "meta",
        "service": "Service",
        **{anchor: title for anchor, (title, _) in CHAPTERS.items()},
    }
    links = (f"<a href='#{anchor}'>{title}</a>" for anchor, title in chapters.items())
    return f"<nav>{' '.join(links)}</nav>"


def _meta() -> Iterator[str]:
    yield "<h2 id='meta'>meta</h2><p>The same names on every surface.</p>"
    yield table(("name", "says"), META_NAMES.items())


def _reports(base_url: str) -> Iterator[str]:
    yield "<h2 id='reports'>Reports</h2>"
    for report in load_catalogue().values():
        name = escape(report.name)
        yield f"<h3 id='{name}'>GET /v1/reports/{name}</h3>"
        yield f"<p>{escape(report.sentence)} {escape(report.note)}</p>"
        yield f"<pre>curl '{escape(base_url)}v1/reports/{name}{_example(report)}'</pre>"
        yield table(
            ("parameter", "default", "meaning"), map(_parameter, report.parameters)
        )
        columns = ((c.name, c.type) for c in report.columns)
        yield table(("column", "type"), columns)
        yield f"<p>Ordered by {escape(report.sorted_by)}.</p>"


def _example(report: Report) -> str:
    given = {p.name: _EXAMPLES[p.type] for p in report.parameters if p.required}
    if report.windowed:
        given["since"] = "24h"
    return f"?{urlencode(given, safe=':')}" if given else ""


def _parameter(parameter: Parameter) -> tuple[str, str, str]:
    meaning = parameter.meaning
    if parameter.allowed:
        meaning += f" One of {', '.join(parameter.allowed)}."
    if parameter.is_list:
        meaning += " Repeatable: any of them."
    return parameter.name, parameter.default or "", meaning


def _service() -> Iterator[str]:
    yield "<h2 id='service'>Service</h2>"
    yield table(
        ("path", "answers"),
        [
            ("/v1/reports", "The catalogue."),
            ("/v1/identities", "Who an address was: address, at, vpc, limit."),
            (
                "/v1/explain",
                "Why packets were rejected, by filters; or with from, to and port, "
                "whether some would pass.",
            ),
            ("/v1/status", "What the lake holds, how fresh, what was not readable."),
            (
                "POST /v1/sql",
                'One SELECT, off unless enabled: {"query": "FROM flows"}.',
            ),
            ("/openapi.json", "This page for tools."),
            ("/healthz", "200 while the process answers."),
            ("/readyz", "200 while the lake can be read, else 503."),
        ],
    )
