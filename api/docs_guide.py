"""The chapters of the documentation page that hold for every route."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape

from api.negotiate import FORMATS
from api.problems import known_problems

Chapter = tuple[str, Callable[[str], Iterator[str]]]


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; every cell is text and becomes escaped."""
    head = "".join(f"<th>{escape(h)}" for h in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in rows
    )
    return f"<table><tr>{head}{body}</table>"


def _authentication(base_url: str) -> Iterator[str]:
    yield (
        "<p>Send a key (<code>flowlake keys create</code>) or a token of the "
        "configured OpenID Connect issuer with every request, as "
        "<code>Authorization: Bearer</code>, a key also as <code>X-API-Key</code>; "
        "never in the query. What it may be used for are its scopes. Where it is "
        "limited to accounts, VPCs or namespaces, a row is shown if either end is in "
        "scope; of the other end then kind, address and port. What tells of everybody "
        "needs one without limits: /v1/status, /v1/explain and /v1/sql. Without keys "
        "and issuer the service listens on loopback only and serves whoever asks for "
        "it there by localhost, 127.0.0.1 or [::1]; another <code>Host</code> gets "
        "421.</p>"
    )
    yield table(
        ("scope", "opens"),
        [
            ("reports", "/v1/reports and all below but single records"),
            ("flows", "single records: /v1/flows, /v1/reports/records, /v1/explain"),
            ("identities", "/v1/identities"),
            ("status", "/v1/status"),
            ("sql", "SQL over REST, where it is enabled"),
        ],
    )
    yield (f"<pre>curl -H 'Authorization: Bearer flk_…' '{base_url}v1/reports'</pre>")


def _windows(base_url: str) -> Iterator[str]:
    yield (
        "<p><code>since</code> and <code>until</code> are half-open and UTC: a span "
        "(90m, 24h, 7d), a day, an ISO 8601 time, now, today or yesterday. "
        "Spans snap outward to the hour; <code>meta.window</code> shows the one that "
        "was taken. A parameter that "
        "may be repeated matches any of its values; different parameters must all "
        "match. <code>filter</code> is one expression over the fields of a record: "
        "=, !=, &lt;, &lt;=, &gt;, &gt;=, IN, LIKE, CIDR and IS NULL, joined by AND, "
        "OR, NOT and parentheses; text, times and addresses in quotes, numbers "
        "without. A wrong one gets 422, with the <code>position</code> of the fault "
        "in <code>errors</code> and what could stand there.</p>"
    )
    yield (
        f"<pre>curl '{base_url}v1/reports/rejected_traffic?since=24h&amp;by=workload"
        "&amp;namespace=payments&amp;port=5432&amp;port=3306'\n"
        f"curl -G '{base_url}v1/reports/accepted_traffic' --data-urlencode \\\n"
        '  \'filter=src_namespace = "payments" AND dst_port IN (5432, 3306) AND '
        'src_address CIDR "10.0.0.0/8"\'</pre>'
    )


def _paging(base_url: str) -> Iterator[str]:
    yield (
        '<p>An answer that goes on has <code>Link: &lt;?…&gt;; rel="next"</code>, '
        "relative to the request, and the same cursor in <code>meta</code>: ask again "
        "with <code>cursor=</code> added and every other parameter as it was. All "
        "pages are of one snapshot. A cursor is signed, and belongs to its question "
        "and to what its caller may see. It ends after a day "
        "(410 cursor-expired), when its snapshot is dropped (410 snapshot-gone), or "
        "with the process where FLOWLAKE_CURSOR_KEY is not set.</p>"
    )


def _formats(base_url: str) -> Iterator[str]:
    yield (
        "<p>Chosen by <code>Accept</code> or <code>?format=</code>. Where the body "
        "holds rows only, <code>meta</code> is in the <code>Flowlake-Meta</code> "
        "header. In CSV, text that a spreadsheet would run, names too, begins with "
        "<code>'</code>. HEAD answers as GET without the body. Answers are compressed "
        "for those who take gzip. Send <code>If-None-Match</code> with the "
        "<code>ETag</code>: while neither lake nor question has changed the answer is "
        "304, and no query runs.</p>"
    )
    yield table(
        ("format", "media type"),
        [(f.name, ", ".join(f.media_types)) for f in FORMATS.values()],
    )
    yield (
        f"<pre>curl --compressed -H 'Accept: text/csv' "
        f"'{base_url}v1/reports/top_talkers?since=7d'\n"
        f"curl '{base_url}v1/reports/top_talkers?since=7d&amp;format=parquet' "
        "-o top.parquet</pre>"
    )


def _explanations(base_url: str) -> Iterator[str]:
    yield (
        "<p><code>/v1/explain</code> takes the filters of reports (and "
        "<code>client</code>, <code>server</code>, <code>service_port</code> as a "
        "report's row has them, with its <code>by</code>) and explains the packets "
        "that most of these records are of, rejected ones first: what the log proves, "
        "each rule that was asked, what changed before, what is missing to be sure. "
        "With <code>from</code> and <code>to</code> it says whether packets that "
        "nobody has sent would pass, and their reply.</p>"
    )
    yield (
        f"<pre>curl '{base_url}v1/explain?src=10.0.1.5&amp;dst=10.0.2.7&amp;"
        "dstport=5432&amp;at=2026-01-31T12:00Z'\n"
        f"curl '{base_url}v1/explain?from=10.0.1.5&amp;to=10.0.2.7&amp;"
        "port=5432'</pre>"
    )


def _limits(base_url: str) -> Iterator[str]:
    yield (
        "<p>So many questions are answered at once, and so many wait for their turn; "
        "one more gets 503 with <code>Retry-After</code>. Where the operator has set a "
        "rate, it holds for each key (for each client address where there are no "
        "keys): beyond it 429 with <code>Retry-After</code>. What is left is told in "
        "every answer by <code>RateLimit</code> and <code>RateLimit-Policy</code>, "
        "which are an IETF draft (httpapi-ratelimit-headers-11) and may change: "
        "<code>r</code> requests are left, one more comes within <code>t</code> "
        "seconds. Answers 304 and 503 do not count, nor do /healthz, /readyz, /docs "
        "and /openapi.json.</p>"
    )
    yield (
        '<pre>RateLimit-Policy: "default";q=600;w=60;flowlake-burst=60\n'
        'RateLimit: "default";r=42;t=1</pre>'
    )


def _requests(base_url: str) -> Iterator[str]:
    yield (
        "<p>Every answer has an <code>X-Request-Id</code>: your own, if you send one "
        "of up to 128 letters, digits, dots, dashes and underscores. It is in the "
        "service's log and in <code>instance</code> of a problem.</p>"
    )
    yield (
        f"<pre>curl -i -H 'X-Request-Id: ticket-17' '{base_url}v1/identities"
        "?address=10.0.0.5&amp;at=2h'</pre>"
    )


def _problems(base_url: str) -> Iterator[str]:
    yield (
        "<p>Errors are <code>application/problem+json</code> (RFC 9457): "
        "<code>type</code> leads to the entry here, <code>detail</code> says what to "
        "do, <code>errors</code> names each wrong <code>parameter</code>, or the "
        "<code>pointer</code> into the body, with what is <code>allowed</code>; long "
        "values are cut.</p>"
    )
    rows = "".join(
        f"<tr id='{anchor}'><td>{status}<td>{escape(title)}<td>{escape(sentence)}"
        for anchor, title, status, sentence in known_problems()
    )
    yield f"<table><tr><th>status<th>title<th>meaning{rows}</table>"


CHAPTERS: Mapping[str, Chapter] = {
    "authentication": ("Authentication", _authentication),
    "questions": ("Windows and filters", _windows),
    "paging": ("Paging", _paging),
    "formats": ("Formats", _formats),
    "explanations": ("Explanations", _explanations),
    "limits": ("Limits", _limits),
    "requests": ("Request ids", _requests),
    "problems": ("Problems", _problems),
}
