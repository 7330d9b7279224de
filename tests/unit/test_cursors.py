"""A cursor comes back as it was made, or not at all."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import api.cursors
from api.cursors import LIFE, MOST, Cursor, Cursors, fingerprint
from lake.errors import BadCursor, CursorExpired, SettingsError
from lake.settings import load_settings
from queries.limits import Limits
from queries.paging import PageEnd

NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
QUESTION = fingerprint("rejected_traffic", {"since": ["24h"], "port": ["1", "2"]})
TIMES = st.integers(-(2**51), 2**52).map(lambda us: NOW + timedelta(microseconds=us))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=20)
    | TIMES
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
CURSORS = st.builds(
    Cursor,
    route=st.text(max_size=20),
    question=st.just(QUESTION),
    asked_at=TIMES,
    snapshots=st.dictionaries(st.text(max_size=9), st.integers(0, 2**63), max_size=3),
    end=st.builds(PageEnd, st.lists(VALUES, max_size=4).map(tuple), st.integers(0)),
    expires=st.just(NOW + timedelta(hours=1)),
)


def made(**changes):
    values = {
        "route": "rejected_traffic",
        "question": QUESTION,
        "asked_at": NOW,
        "snapshots": {"flows": 2**62 + 1},
        "end": PageEnd((40, None, "eni-1", NOW, date(2026, 1, 1), ["a", None]), 2),
        "expires": NOW + LIFE,
    }
    return Cursor(**{**values, **changes})


@pytest.fixture(scope="module")
def cursors():
    return Cursors(b"k" * 32, clock=lambda: NOW)


@given(cursor=CURSORS)
def test_what_is_sealed_is_opened_as_it_was(cursors, cursor):
    opened = cursors.open(cursors.seal(cursor), QUESTION)
    assert repr(opened) == repr(cursor)  # NaN is not equal to itself


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(cursors, place, bit):
    text = bytearray(cursors.seal(made()).encode())
    text[place % len(text)] ^= 1 << bit
    with pytest.raises(BadCursor):
        cursors.open(text.decode("latin-1"), QUESTION)


@pytest.mark.parametrize("end", range(1, 9))
def test_every_flipped_bit_at_the_end_is_refused(cursors, end):
    """Where base64 has bits that no byte is made of."""
    for length in range(3):
        sealed = cursors.seal(made(route="r" * length))
        for bit in range(8):
            text = bytearray(sealed.encode())
            text[-end] ^= 1 << bit
            with pytest.raises(BadCursor):
                cursors.open(text.decode("latin-1"), QUESTION)


@given(text=st.text(max_size=300) | st.text("ABCabc019-_=", max_size=300))
def test_what_was_never_sealed_is_refused(cursors, text):
    with pytest.raises(BadCursor):
        cursors.open(text, QUESTION)


def test_a_text_of_any_length_is_refused_unread(cursors):
    with pytest.raises(BadCursor):
        cursors.open("A" * (MOST + 4), QUESTION)


def test_a_cursor_of_another_key_is_refused(cursors):
    for other in (Cursors(b"l" * 32), Cursors()):
        with pytest.raises(BadCursor, match="was not made here"):
            cursors.open(other.seal(made()), QUESTION)


def test_a_cursor_of_another_version_is_refused(cursors, monkeypatch):
    text = cursors.seal(made())
    monkeypatch.setattr(api.cursors, "VERSION", b"another")
    with pytest.raises(BadCursor):
        cursors.open(text, QUESTION)


def test_a_cursor_is_of_one_question_and_one_callers_limits(cursors):
    given = {"since": ["24h"], "port": ["1", "2"]}
    unlimited = fingerprint("rejected_traffic", given)
    assert unlimited == QUESTION
    text = cursors.seal(made())
    limits = Limits(vpcs=frozenset({"vpc-1"})).key
    for other in (
        fingerprint("rejected_traffic", given, limits=limits),
        fingerprint("accepted_traffic", given),
        fingerprint("rejected_traffic", {**given, "port": ["2", "1"]}),
        fingerprint("rejected_traffic", {"since": ["24h"]}),
    ):
        with pytest.raises(BadCursor, match="another question"):
            cursors.open(text, other)


def test_the_order_in_which_parameters_are_sent_is_no_part_of_the_question():
    one = fingerprint("r", {"a": ["1"], "b": ["2"]})
    assert one == fingerprint("r", {"b": ["2"], "a": ["1"]})


def test_a_cursor_ends_after_a_day():
    now = NOW
    cursors = Cursors(b"k" * 32, clock=lambda: now)
    text = cursors.seal(made(expires=cursors.expiry()))
    now = NOW + LIFE - timedelta(microseconds=1)
    assert cursors.open(text, QUESTION).asked_at == NOW
    now = NOW + LIFE
    with pytest.raises(CursorExpired, match="older than a day"):
        cursors.open(text, QUESTION)


def test_processes_with_one_key_read_each_others_cursors():
    settings = load_settings(cursor_key="one secret of sixteen")
    text = Cursors.of(settings).seal(made(expires=datetime.now(UTC) + LIFE))
    assert Cursors.of(settings).open(text, QUESTION).snapshots == {"flows": 2**62 + 1}
    with pytest.raises(BadCursor):
        Cursors.of(load_settings()).open(text, QUESTION)
    with pytest.raises(SettingsError, match="FLOWLAKE_CURSOR_KEY"):
        load_settings(cursor_key="short")
    assert "one secret" not in str(settings.masked())
