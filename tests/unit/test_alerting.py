"""What is new since the last run: nothing twice, nothing never, and an exit code."""

import json
from datetime import UTC, datetime

import pytest
import typer

import queries.alerting
from ingest.job import Ingest, Request
from lake.errors import UsageError
from lake.settings import load_settings
from queries import cli
from queries.alerting import tell_new
from queries.catalogue import find_report, load_catalogue
from queries.engine import Engine
from tests.lakes import open_lake

BEGIN = 1767225600
HEAD = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
    "bytes start end action log-status"
)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
REFUSED = find_report("rejected_traffic")
HOURS = ((1, 2), (2,), (1, 3))  # whom the lake refuses in each


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    place = tmp_path_factory.mktemp("knocked")
    lines = [
        f"2 123456789010 eni-1 198.51.100.{client} 10.0.0.1 40000 22 6 1 40 "
        f"{BEGIN + 3600 * hour} {BEGIN + 3600 * hour} REJECT OK"
        for hour, clients in enumerate(HOURS)
        for client in clients
    ]
    (place / "flows.log").write_text("\n".join([HEAD, *lines]))
    settings = load_settings(lake=str(place / "lake"))
    with open_lake(settings) as made:
        Ingest(made, Request((str(place / "flows.log"),))).run()
    return settings


@pytest.fixture
def warned():
    """The warnings of the last answer."""
    return []


@pytest.fixture
def told(lake, tmp_path, monkeypatch, warned):
    """Ask which clients are new among those that were refused in some hours."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def ask(first=0, last=3, *, file=None, remember=True, **given):
        window = {"since": [f"2026-01-01T0{first}:00Z"],
                  "until": [f"2026-01-01T0{last}:00Z"]}  # fmt: skip
        with Engine(lake) as engine:
            asked = {**window, "by": ["address"], **given}
            found = tell_new(engine, REFUSED, asked, now=NOW, file=file)
        if remember:
            found.remember()
        warned[:] = found.answer.meta["warnings"]
        return {row["client"] for row in found.answer.rows.to_pylist()}

    return ask


def clients(*numbers):
    return {f"198.51.100.{number}" for number in numbers}


def test_a_row_is_told_once_for_as_long_as_it_stays(told, warned):
    assert told(0, 1) == clients(1, 2)
    assert any("every row is new" in text for text in warned)
    assert told(0, 1) == set()
    assert not any("every row is new" in text for text in warned)
    assert told(0, 3) == clients(3)  # and the others have other sums
    assert told(0, 3) == set()


def test_what_was_gone_and_comes_back_is_new(told):
    assert told(0, 1) == clients(1, 2)
    assert told(1, 2) == set()
    assert told(2, 3) == clients(1, 3)


def test_an_answer_that_was_not_given_is_told_again(told):
    assert told(remember=False) == clients(1, 2, 3)
    assert told() == clients(1, 2, 3)
    assert told() == set()


def test_another_question_is_remembered_apart(tmp_path, told):
    assert told() == clients(1, 2, 3)
    assert told(port=["22"]) == clients(1, 2, 3)
    assert told(port=["22"]) == set()
    assert len(list((tmp_path / "state" / "flowlake").iterdir())) == 2


def test_a_file_of_ones_own_serves_one_question(tmp_path, told):
    file = tmp_path / "deep" / "state.json"
    assert told(file=file) == clients(1, 2, 3)
    assert told(file=file) == set()
    with pytest.raises(UsageError, match=r"another question, rejected_traffic"):
        told(file=file, port=["22"])
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '"x"', "\x00"])
def test_a_file_that_is_no_memory_is_left_alone(tmp_path, told, text):
    file = tmp_path / "notes.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="remove it"):
        told(file=file)
    assert file.read_text() == text


def test_more_rows_than_are_compared_are_said(told, warned, monkeypatch):
    monkeypatch.setattr(queries.alerting, "MOST", 2)
    assert len(told()) == 2
    assert any("more than 2 rows" in text for text in warned)
    assert told() == set()


def test_only_some_rows_cannot_be_asked_for(told):
    with pytest.raises(UsageError, match="--limit"):
        told(limit=["5"])


def test_a_memory_that_cannot_be_written_is_said(lake, tmp_path):
    file = tmp_path / "state" / "one.json"
    with Engine(lake) as engine:
        found = tell_new(engine, REFUSED, {}, now=NOW, file=file)
    file.parent.write_text("a file where a folder should be")
    with pytest.raises(UsageError, match="could not be written"):
        found.remember()


def test_every_row_has_a_name_that_is_no_measure():
    for report in load_catalogue().values():
        measures = {c.name for c in report.columns if c.type in ("bigint", "double")}
        assert set(report.key) <= {c.name for c in report.columns} - measures
        assert report.key or report.whole, report.name


def test_the_exit_code_says_if_there_are_rows(
    lake, tmp_path, monkeypatch, capsysbinary
):
    monkeypatch.setenv("FLOWLAKE_LAKE", lake.lake)
    state = tmp_path / "state.json"

    def ask(**options):
        cli.report("rejected_traffic", since="2026-01-01", until="2026-01-02",
                   format_="json", **options)  # fmt: skip

    for wanted, options in [
        (4, {"new_since_last": True, "state": state}),
        (0, {"new_since_last": True, "state": state}),
        (4, {}),
        (0, {"where": ["port=23"]}),
    ]:
        try:
            ask(exit_code=True, **options)
            code = 0
        except typer.Exit as ended:
            code = ended.exit_code
        assert code == wanted
        rows = json.loads(capsysbinary.readouterr().out)["rows"]
        assert bool(rows) == (code == 4)
    ask()  # without --exit-code rows are no exit code
    with pytest.raises(UsageError, match="--new-since-last"):
        ask(state=state)
