"""Reading anything: every line is a header, a flow, a silence, or quarantined."""

import gzip
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decode.decoder import Decoder, Limits
from ingest.source import SourceObject, Tally
from lake.errors import SourceUnreadable

NOW = datetime(2026, 1, 2, tzinfo=UTC)
V2 = (
    b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
    b"bytes start end action log-status"
)
GOOD = (
    b"2 123456789010 eni-1 10.0.0.1 10.0.0.2 20641 22 6 20 4249 1767225600 "
    b"1767225660 ACCEPT OK"
)
NODATA = b"2 123456789010 eni-1 - - - - - - - 1767225600 1767225660 - NODATA"
SKIPDATA = NODATA.replace(b"NODATA", b"SKIPDATA")
BAD = {
    "bad_integer": GOOD.replace(b" 22 ", b" 2x "),
    "bad_address": GOOD.replace(b"10.0.0.2", b"10.0.0.256"),
    "bad_action": GOOD.replace(b"ACCEPT", b"MAYBE"),
    "bad_log_status": GOOD.replace(b" OK", b" FINE"),
    "bad_time": GOOD.replace(b"1767225600", b"1767225600000"),
    "no_start_time": GOOD.replace(b"1767225600", b"-"),
    "too_few_fields": GOOD.rpartition(b" ")[0],
    "too_many_fields": GOOD + b" more",
    "bad_encoding": GOOD.replace(b"eni-1", b"eni-\xff"),
    "line_too_long": GOOD.replace(b"eni-1", b"eni-" + b"x" * 5000),
}


def decoder(**more):
    limits = Limits(
        max_object_bytes=more.pop("max_object_bytes", 10**8),
        max_line_bytes=4000,
        max_quarantine_rows=more.pop("max_quarantine_rows", 1000),
        batch_rows=more.pop("batch_rows", 50),
    )
    return Decoder(limits=limits, now=NOW, **more)


def source(name="s3://bucket/object.log"):
    return SourceObject(name, name, "etag", 1, NOW, flow_log_id="fl-1")


def pieces(body, size=1000):
    return iter([body[i : i + size] for i in range(0, len(body), size)])


def read(body, reader=None, size=1000):
    reader, tally = reader or decoder(), Tally(source())
    parts = list(reader.decode(tally.source, pieces(body, size), tally))
    assert tally.balanced, tally
    return tally, rows_of(parts), quarantine_of(parts)


def rows_of(parts):
    tables = [p.flows for p in parts if p.flows.num_rows]
    return pa.concat_tables(tables, promote_options="default") if tables else None


def quarantine_of(parts):
    return [
        row for p in parts if p.quarantine is not None
        for row in p.quarantine.to_pylist()
    ]  # fmt: skip


def lines(*found):
    return b"\n".join(found) + b"\n"


def counts(tally):
    return (tally.lines, tally.headers, tally.flows, tally.silences, tally.quarantined)


def test_a_clean_object_becomes_rows_with_times_and_addresses():
    tally, rows, _ = read(gzip.compress(lines(V2, GOOD, NODATA, GOOD)))
    assert counts(tally) == (4, 1, 2, 1, 0)
    row = rows.to_pylist()[0]
    assert row["start_time"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert row["src_address"] == "10.0.0.1"
    assert row["observer"] == "eni-1"
    assert row["source_object"] == "s3://bucket/object.log"
    assert row["flow_log_id"] == "fl-1"


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_line_is_quarantined_alone_with_its_number_and_reason(reason):
    tally, rows, rejected = read(lines(V2, GOOD, GOOD, BAD[reason], GOOD))
    assert counts(tally) == (5, 1, 3, 0, 1)
    assert rows.num_rows == 3
    assert [(r["line"], r["reason"]) for r in rejected] == [(4, reason)]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_line_ends_bom_blank_lines_and_a_missing_last_newline_do_not_matter(ending):
    body = b"\xef\xbb\xbf" + ending.join([V2, GOOD, b"", NODATA, GOOD])
    tally, rows, _ = read(body)
    assert counts(tally) == (4, 1, 2, 1, 0)
    assert rows.num_rows == 2


def test_a_header_may_repeat_and_another_header_switches_the_layout():
    swapped = V2.replace(b"srcaddr dstaddr", b"dstaddr srcaddr")
    tally, rows, _ = read(lines(V2, GOOD, V2, GOOD, swapped, GOOD))
    assert counts(tally) == (6, 3, 3, 0, 0)
    assert rows["srcaddr"].to_pylist() == ["10.0.0.1", "10.0.0.1", "10.0.0.2"]


def test_several_gzip_members_are_one_object():
    body = gzip.compress(lines(V2, GOOD)) + gzip.compress(lines(V2, GOOD, NODATA))
    tally, _, _ = read(body, size=17)
    assert counts(tally) == (5, 2, 2, 1, 0)


@pytest.mark.parametrize("members", [1, 2, 3, 4, 50])
def test_a_small_object_may_have_any_number_of_gzip_members(members):
    whole = lines(V2, *[GOOD, NODATA] * 40)
    step = -(-len(whole) // members)
    body = b"".join(gzip.compress(part) for part in pieces(whole, step))
    tally = Tally(source())
    parts, unreadable = decoder().decode_small([(tally.source, body, tally)])
    assert (tally.lines, tally.flows, tally.silences) == (81, 40, 40)
    assert (sum(p.flows.num_rows for p in parts), unreadable) == (40, [])


def test_a_field_newer_than_the_table_goes_to_extra_and_shifts_nothing():
    header = V2.replace(b" start", b" shoe-size start")
    line = GOOD.replace(b" 1767225600 ", b" 43 1767225600 ")
    absent = GOOD.replace(b" 1767225600 ", b" - 1767225600 ")
    tally, rows, _ = read(lines(header, line, absent))
    assert tally.extra_fields == ("shoe-size",)
    assert rows["extra"].to_pylist() == [[("shoe-size", "43")], []]
    assert rows["bytes"].to_pylist() == [4249, 4249]


def test_a_truncated_object_keeps_what_came_before_and_no_cut_number():
    several = [GOOD.replace(b" 20641 ", b" %d " % port) for port in range(500)]
    body = gzip.compress(lines(V2, *several), mtime=0)
    tally, rows, rejected = read(body[: len(body) // 2])
    assert 0 < tally.flows < 500
    assert set(rows["bytes"].to_pylist()) == {4249}
    assert rejected[-1]["reason"] == "truncated_gzip"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_object"),
        (gzip.compress(b"", mtime=0), "empty_object"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_a_flow_log"),
        (lines(GOOD, GOOD), "no_header"),
        (lines(V2 + b" version", GOOD), "bad_header"),
        (b"PAR1 but not really", "bad_parquet"),
        (b"\x1f\x8b garbage", "bad_gzip"),
    ],
)
def test_an_unreadable_object_is_quarantined_whole(body, code):
    reader, tally = decoder(), Tally(source())
    with pytest.raises(SourceUnreadable) as caught:
        list(reader.decode(tally.source, pieces(body), tally))
    assert caught.value.code == code
    whole = reader.whole(tally, caught.value)
    assert tally.balanced
    assert tally.whole_reason == code
    assert [r["reason"] for r in whole.quarantine.to_pylist()] == [code]


def test_a_gzip_bomb_is_stopped_at_the_limit():
    reader, tally = decoder(max_object_bytes=10**6), Tally(source())
    body = gzip.compress(V2 + b"\n" + b"0" * 10**8)
    with pytest.raises(SourceUnreadable, match="too_large"):
        list(reader.decode(tally.source, pieces(body), tally))


def test_headerless_text_takes_its_format_from_what_is_said():
    told = " ".join(f"${{{name}}}" for name in V2.decode().split())
    tally, rows, _ = read(lines(GOOD, NODATA), decoder(log_format=told))
    assert counts(tally) == (2, 0, 1, 1, 0)
    stamped = lines(b"2026-01-01T00:00:00.000Z " + GOOD)
    tally, rows, _ = read(stamped, decoder(log_format=V2.decode()))
    assert tally.format == "cloudwatch_export"
    assert rows["dstport"].to_pylist() == [22]


def test_json_envelopes_are_unwrapped_back_to_back():
    import json

    def document(*messages, kind="DATA_MESSAGE"):
        events = [{"id": "1", "timestamp": 1, "message": m.decode()} for m in messages]
        return json.dumps({"messageType": kind, "logEvents": events}).encode()

    body = document(GOOD, NODATA) + document(GOOD, kind="CONTROL_MESSAGE")
    body += document(GOOD)
    tally, _, _ = read(gzip.compress(body), decoder(log_format=V2.decode()))
    assert counts(tally) == (3, 0, 2, 1, 0)
    firehose = b"".join(b'{"message": "%s"}\n' % m for m in (GOOD, GOOD))
    tally, _, _ = read(firehose, decoder(log_format=V2.decode()))
    assert counts(tally) == (2, 0, 2, 0, 0)


def test_csv_with_a_header_is_read():
    body = lines(V2, GOOD, GOOD).replace(b" ", b",").replace(b"-id", b"_id")
    tally, rows, _ = read(body)
    assert tally.format == "csv"
    assert rows["account_id"].to_pylist() == ["123456789010"] * 2


def test_a_quote_that_is_not_closed_costs_only_its_own_lines():
    body = lines(V2, GOOD).replace(b" ", b",") + b'"2,\n"\n' + lines(GOOD)
    tally, _, rejected = read(body)
    assert counts(tally) == (5, 1, 1, 0, 3)
    assert [r["line"] for r in rejected] == [3, 4, 5]


def test_lines_before_the_header_are_quarantined_alone():
    body = lines(b"# a comment", b"  ", GOOD, V2 + b" ", GOOD)
    for size in (1, 7, 1000):
        tally, _, rejected = read(body, size=size)
        assert counts(tally) == (4, 1, 1, 0, 2)
        assert [(r["line"], r["reason"]) for r in rejected] == [
            (1, "no_header"),
            (3, "no_header"),
        ]


def parquet_of(**columns):
    made = {
        name.decode().replace("-", "_"): pa.array([token.decode()] * 3)
        for name, token in zip(V2.split(), GOOD.split(), strict=True)
    }
    table = pa.table({**made, **columns})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy")
    return sink.getvalue().to_pybytes()


def invalid_utf8(*values):
    return pa.Array.from_buffers(
        pa.string(), len(values), pa.array(values, pa.binary()).buffers()
    )


def test_parquet_text_that_is_no_utf8_is_quarantined_row_by_row():
    for name in ("vpc_id", "srcaddr", "shoe_size"):
        good = b"10.0.0.1" if name == "srcaddr" else b"x"
        tally, rows, rejected = read(
            parquet_of(**{name: invalid_utf8(good, b"\xff\xfe", good)})
        )
        assert counts(tally) == (3, 0, 2, 0, 1)
        assert [r["reason"] for r in rejected] == ["bad_encoding"]
        rows.validate(full=True)
        kept = [[("shoe-size", "x")]] if name == "shoe_size" else [good.decode()]
        column = "extra" if name == "shoe_size" else name
        assert rows[column].to_pylist() == kept * 2


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        (pa.array([22, None, 70_000], pa.int64()), [22, None]),
        (pa.array([22, 1, 2], pa.uint8()), [22, 1, 2]),
        (pa.array(["22", "-", "x"]).dictionary_encode(), [22, None]),
        (pa.array([b"22", b"-", b"\xff"]), [22, None]),
        (pa.array(["22", None, "1.5"], pa.large_string()), [22, None]),
        (pa.array([22.0, None, 1.5]), [22, None]),
        (pa.nulls(3), [None, None, None]),
    ],
)
def test_parquet_numbers_are_read_in_any_width_and_spelling(values, ports):
    tally, rows, _ = read(parquet_of(dstport=values))
    assert tally.balanced
    found = rows["dstport"].to_pylist() if "dstport" in rows.column_names else None
    assert (found or [None] * tally.flows) == ports


def test_a_column_that_is_no_field_of_aws_goes_to_extra():
    _, rows, _ = read(parquet_of(__index_level_0__=pa.array([1, 2, 3])))
    assert rows["extra"].to_pylist()[0] == [("--index-level-0--", "1")]


def test_parquet_with_damaged_pages_is_quarantined_whole():
    body = bytearray(
        parquet_of(vpc_id=pa.array(["v" * 500 + str(n) for n in range(3)]))
    )
    reasons = set()
    for at in range(4, len(body) - 8, 97):
        damaged = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
        reader, tally = decoder(), Tally(source())
        try:
            list(reader.decode(tally.source, pieces(bytes(damaged)), tally))
        except SourceUnreadable as error:
            reader.whole(tally, error)
            reasons.add(error.code)
        assert tally.balanced
    assert "bad_parquet" in reasons


def test_at_most_so_many_quarantine_rows_are_kept_the_rest_counted():
    bad = BAD["bad_address"]
    tally, _, rejected = read(lines(V2, *[bad] * 50), decoder(max_quarantine_rows=7))
    assert tally.quarantined == 50
    assert len(rejected) == 7


LINE = st.sampled_from([GOOD, NODATA, SKIPDATA, V2, b"", *BAD.values()])


@settings(max_examples=60, deadline=None)
@given(st.lists(LINE, max_size=40), st.integers(1, 400), st.integers(1, 20))
def test_however_an_object_is_cut_the_rows_and_the_sums_are_the_same(
    body_lines, size, batch_rows
):
    body = lines(V2, *body_lines)
    whole, rows, rejected = read(body, decoder(batch_rows=1000), size=10**6)
    cut, cut_rows, cut_rejected = read(body, decoder(batch_rows=batch_rows), size=size)
    assert counts(cut) == counts(whole)
    assert whole.lines == sum(1 for line in [V2, *body_lines] if line)
    assert key(cut_rejected) == key(rejected)
    assert (rows is None) == (cut_rows is None)
    if rows is not None:
        assert cut_rows.num_rows == rows.num_rows


def key(rejected):
    return sorted((r["line"], r["reason"]) for r in rejected)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(LINE, max_size=8), min_size=1, max_size=8))
def test_small_objects_decoded_together_count_as_if_alone(objects):
    reader = decoder()
    bodies = []
    for number, body_lines in enumerate(objects):
        where = source(f"s3://bucket/{number}")
        bodies.append((where, gzip.compress(lines(V2, *body_lines)), Tally(where)))
    decoded, unreadable = reader.decode_small(bodies)
    assert unreadable == []
    rows = rows_of(decoded)
    owners = [] if rows is None else rows["source_object"].to_pylist()
    for where, body, tally in bodies:
        alone = Tally(where)
        list(reader.decode(where, iter([body]), alone))
        assert counts(tally) == counts(alone)
        assert (tally.first_start, tally.last_end) == (
            alone.first_start,
            alone.last_end,
        )
        assert owners.count(where.identity) == tally.flows
