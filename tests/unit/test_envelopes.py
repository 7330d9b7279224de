"""JSON around records: every document gives its records or itself, however cut."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decode import envelopes
from ingest.decode.envelopes import unwrap

RECORD = (
    "2 123456789010 eni-1 10.0.0.1 10.0.0.2 20641 22 6 20 4249 1767225600 1767225660 "
    "ACCEPT OK"
)


def lines_of(text, size=10**6):
    data = text.encode()
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join(unwrap(iter(pieces))).decode().splitlines()


def subscription(*messages, **more):
    events = [{"id": str(n), "timestamp": n, "message": m}
              for n, m in enumerate(messages)]  # fmt: skip
    return json.dumps({"messageType": "DATA_MESSAGE", "logEvents": events, **more})


def test_records_come_out_of_both_envelopes_and_control_messages_do_not():
    text = subscription(RECORD, RECORD) + subscription(
        "x", messageType="CONTROL_MESSAGE"
    )
    assert lines_of(text) == [RECORD, RECORD]
    assert lines_of(json.dumps({"message": RECORD}) + "\n") == [RECORD]
    assert lines_of(json.dumps(json.loads(subscription(RECORD)), indent=1)) == [RECORD]


ENVELOPES = st.one_of(
    st.lists(st.just(RECORD), max_size=3).map(lambda m: (subscription(*m), m)),
    st.just((json.dumps({"message": RECORD}), [RECORD])),
    st.just((subscription("x", messageType="CONTROL_MESSAGE"), [])),
)
STRANGE = st.sampled_from(
    ['{"class_uid": 4001, "src": {"ip": "10.0.0.1"}}', '{"Message": "x"}', '{"a": 1',
     '{"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1"}]}', '{"message": null}',
     '{"message": 5}', '{"message": "not closed', 'no document', '[1, 2]', '}', '"',
     '{"a": "}{\\\\""}', '{"logEvents": 3}']
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(ENVELOPES, max_size=6), st.sampled_from(["", "\n"]), st.integers(1, 99))
def test_whole_documents_give_just_their_records(documents, between, size):
    text = between.join(text for text, _ in documents)
    expected = [m for _, messages in documents for m in messages]
    assert lines_of(text, size) == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(ENVELOPES, STRANGE.map(lambda t: (t, None))), max_size=8),
       st.integers(1, 99))  # fmt: skip
def test_on_lines_of_their_own_strange_documents_cost_no_other_anything(found, size):
    text = "".join(f"{text}\n" for text, _ in found)
    got = lines_of(text, size)
    assert got.count(RECORD) == sum(len(m) for _, m in found if m)
    strange = sum(messages is None for _, messages in found)
    others = len(got) - got.count(RECORD)
    # one that is not closed takes strange lines behind it along, and no envelope
    assert (strange > 0) <= others <= strange
    assert got == lines_of(text)


@settings(max_examples=200, deadline=None)
@given(st.text('{}"\\\n a:,', max_size=60), st.integers(1, 7))
def test_however_it_is_cut_the_same_comes_out(text, size):
    assert lines_of(text, size) == lines_of(text)


def test_a_document_without_end_is_passed_on_in_parts_and_not_held(monkeypatch):
    monkeypatch.setattr(envelopes, "MOST_HELD", 1000)
    longest = 0
    pieces = iter([b"{", *[b"a" * 400] * 100])
    for line in unwrap(pieces):
        longest = max(longest, len(line))
    assert 1000 < longest < 2000
