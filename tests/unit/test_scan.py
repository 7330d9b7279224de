"""The compiled scan accepts and stores just what the careful reading does."""

import ipaddress
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decode.addresses import is_address
from ingest.decode.decoder import Decoder, Limits
from ingest.decode.layout import Layout
from ingest.decode.words import PADDING
from ingest.source import SourceObject, Tally
from lake.schema import TGW_FIELDS, VPC_FIELDS

NOW = datetime(2026, 1, 2, tzinfo=UTC)
START = 1767225600
V5 = tuple(str(f.aws) for f in VPC_FIELDS if (f.since or 0) <= 5)
ALL = tuple(str(f.aws) for f in VPC_FIELDS)
TGW = tuple(str(f.aws) for f in TGW_FIELDS)
TYPES = {f.aws: f.type for f in (*VPC_FIELDS, *TGW_FIELDS)}


@pytest.fixture(params=["scan", "care"])
def way(request, monkeypatch):
    if request.param == "care":
        monkeypatch.setattr(Layout, "scannable", False)
    return request.param


def read(body, *, rows=7, max_line_bytes=1000, size=10**6, careful=False):
    limits = Limits(10**9, max_line_bytes, 10**6, batch_rows=rows)
    where = SourceObject("s3://b/k", "s3://b/k", "etag", 1, NOW, flow_log_id="fl-1")
    tally = Tally(where)
    pieces = iter([body[i : i + size] for i in range(0, len(body), size)])
    with pytest.MonkeyPatch.context() as patch:
        if careful:
            patch.setattr(Layout, "scannable", False)
        parts = list(Decoder(limits, NOW).decode(where, pieces, tally))
    assert tally.balanced
    flows = [p.flows for p in parts if p.flows.num_rows]
    silent = [p.silences for p in parts if p.silences is not None]
    rejects = [p.quarantine for p in parts if p.quarantine is not None]
    return tally, rows_of(flows), rows_of(silent), rows_of(rejects)


def rows_of(tables):
    """Return rows in an order of their own; a column left out is null everywhere."""
    if not tables:
        return []
    rows = pa.concat_tables(tables, promote_options="permissive").to_pylist()
    return sorted(
        repr(sorted((k, v) for k, v in row.items() if v is not None)) for row in rows
    )


def assert_the_same_both_ways(body, **more):
    fast, careful = read(body, **more), read(body, careful=True, **more)
    assert fast[1:] == careful[1:]
    names = ("lines", "headers", "flows", "silences", "quarantined", "fields",
             "first_start", "last_start", "last_end", "head")  # fmt: skip
    for name in names:
        assert getattr(fast[0], name) == getattr(careful[0], name), name
    return fast


integers = st.one_of(
    st.integers(0, 70_000).map(str),
    st.sampled_from(["-", "", "00", "007", "-1", "+1", "1.0", "0x1", "1e3", "९", "a"]),
    st.sampled_from([2**31 - 1, 2**31, 10**8 - 1, 10**8, 10**17, 10**18 - 1]).map(str),
    st.sampled_from([10**18, 2**63 - 1, 2**63, 10**19]).map(str),
)
times = st.one_of(
    st.integers(START, START + 3600).map(str),
    st.sampled_from(["-", "0", "1767225600000", str(START + 10**6), "1388534400"]),
)
addresses = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda a: a.exploded),
    st.sampled_from(["-", "10.0.0.1", "10.0.0.256", "10.0.0", "1.2.3.4.5", "::",
                     "::1.2.3.4", "fe80::1%eth0", "1::2::3", "01.2.3.4", "x"]),
)  # fmt: skip
texts = st.one_of(
    st.sampled_from(["-", "eni-1", "eni-12345678", "eni-123456789", "--", "a" * 40]),
    st.text("abcdefgh-0123456789", min_size=1, max_size=30),
    st.text(max_size=3).filter(lambda t: "\n" not in t),
)


def token_of(name):
    if name in ("start", "end"):
        return times
    if name == "action":
        return st.sampled_from(["ACCEPT", "REJECT", "-", "ACCEPTED", "REJEC", "accept"])
    if name == "log-status":
        return st.sampled_from(["OK", "NODATA", "SKIPDATA", "-", "OKAY", "SKIPDATA1"])
    if name.endswith("addr"):
        return addresses
    return integers if TYPES.get(name) in ("int", "long") else texts


GOOD = {"int": "6", "long": "4000", "string": "eni-0a1b2c3d", "timestamp": str(START)}


def good_token(name):
    fixed = {"action": "ACCEPT", "log-status": "OK", "version": "5"}
    if name.endswith("addr"):
        return "10.0.0.1"
    return fixed.get(name, GOOD[TYPES.get(name, "string")])


@st.composite
def objects(draw):
    """An object whose records are good but for a few tokens, in any layout."""
    names = list(draw(st.sampled_from([V5, ALL, TGW])))
    names = draw(st.permutations(names))[: draw(st.integers(4, len(names)))]
    names.extend(name for name in ("start", "srcaddr") if name not in names)
    if draw(st.booleans()):
        names.insert(draw(st.integers(0, len(names))), "shoe-size")
    lines = []
    for _ in range(draw(st.integers(0, 12))):
        tokens = [good_token(name) for name in names]
        for at in draw(st.lists(st.integers(0, len(names) - 1), max_size=3)):
            tokens[at] = draw(token_of(names[at]))
        lines.append(" ".join(tokens))
        lines.extend(draw(st.lists(st.sampled_from(
            ["", " ", "\r", " ".join(names), " ".join(names[::-1]), "start srcaddr",
             "hello world", "start start", lines[-1] + " ", lines[-1] + "\r",
             lines[-1][:-3], "x" * 1200])), ))  # fmt: skip
    return "\n".join([" ".join(names), *lines]).encode("utf-8", "replace")


ODD = ["-", "", "--", "-1", "0", "00", "007", "255", "256", "65535", "65536", "1x",
       "2147483647", "2147483648", "999999999999999999", "1000000000000000000",
       "9223372036854775807", "9223372036854775808", "99999999999999999999", "é",
       "ACCEPT", "REJECT", "OK", "NODATA", "SKIPDATA", "UNKNOWN", "10.0.0.1", "::1",
       "1.2.3.256", "1767225600", "1767225600000", "1388534399", "eni-1\t", "a" * 900,
       "a" * 1100]  # fmt: skip


@pytest.mark.parametrize("names", [ALL, TGW], ids=["vpc", "tgw"])
def test_each_odd_token_in_each_field_is_read_alike(names):
    lines = [
        " ".join(token if at == place else good_token(n) for at, n in enumerate(names))
        for place in range(len(names))
        for token in ODD
    ]
    body = "\n".join([" ".join(names), *lines]).encode()
    tally, *_ = assert_the_same_both_ways(body, rows=100)
    assert tally.flows > 0
    assert tally.silences > 0
    assert tally.quarantined > 0


@settings(max_examples=100, deadline=None)
@given(objects(), st.integers(1, 9), st.integers(1, 400))
def test_what_the_scan_accepts_and_stores_is_what_careful_reading_does(
    body, rows, size
):
    assert_the_same_both_ways(body, rows=rows, size=size)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 100))
def test_any_bytes_behind_a_header_are_accounted_for(tail, size):
    body = " ".join(V5).encode() + b"\n" + tail
    assert_the_same_both_ways(body, size=size)


@settings(max_examples=150, deadline=None)
@given(st.lists(addresses, min_size=1, max_size=30), st.integers(1, 5))
def test_every_text_comes_back_however_full_the_dictionaries_get(found, rows):
    lines = [
        " ".join(address if n == "srcaddr" else good_token(n) for n in V5)
        for address in found
    ]
    body = "\n".join([" ".join(V5), *lines]).encode()
    tally, flows, _, _ = assert_the_same_both_ways(body, rows=rows)
    assert tally.lines == 1 + len(found)
    assert len(flows) == tally.flows


def mutated(text, edits):
    for begin, end, put in edits:
        text = text[: begin % (len(text) + 1)] + put + text[end % (len(text) + 1) :]
    return text


@settings(max_examples=1000, deadline=None)
@given(
    st.one_of(
        st.ip_addresses().map(str), st.ip_addresses(v=6).map(lambda a: a.exploded)
    ),
    st.lists(
        st.tuples(
            st.integers(0, 50),
            st.integers(0, 50),
            st.sampled_from(["", ":", "::", ".", "0", "f", "G", "25", ":1.2.3.4"]),
        ),
        max_size=3,
    ),
)
def test_an_address_is_what_the_standard_library_takes_for_one(text, edits):
    text = mutated(text, edits)
    data = text.encode()
    found = is_address(np.frombuffer(data + bytes(PADDING), np.uint8), 0, len(data))
    try:
        ipaddress.ip_address(text)
    except ValueError:
        expected = False
    else:
        expected = True
    assert found == expected


def test_lines_far_over_the_limit_cost_their_neighbours_nothing(way):
    good = " ".join(good_token(n) for n in V5)
    long = good.replace("eni-0a1b2c3d", "e" * 3_000_000, 1)
    body = "\n".join([" ".join(V5), good, long, good, long, good]).encode()
    tally, flows, _, rejects = read(body, max_line_bytes=65536, size=4 << 20)
    assert (tally.flows, tally.quarantined) == (3, 2)
    assert len(flows) == 3
    assert all("line_too_long" in row for row in rejects)


def test_a_whole_object_of_lines_like_headers_is_read_in_bounded_time(way):
    body = "\n".join([" ".join(V5), *["hello world"] * 20_000]).encode()
    tally, _, _, _ = read(body, rows=1000)
    assert tally.quarantined == 20_000
