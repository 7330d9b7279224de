"""Machine code that is kept: where it can be written, and where only read."""

import atexit
import os
import tempfile

from ingest.decode.machine import folder_of


def test_a_folder_that_can_be_written_is_used_as_it_is(tmp_path):
    assert folder_of(tmp_path) == tmp_path
    assert folder_of(tmp_path / "not yet") == tmp_path / "not yet"


def test_what_can_only_be_read_is_copied_for_this_process_alone(tmp_path, monkeypatch):
    (tmp_path / "decode_1").mkdir()
    (tmp_path / "decode_1" / "scan.nbi").write_bytes(b"code")
    at_exit = []
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr(
        atexit, "register", lambda *call, **given: at_exit.append((call, given))
    )
    copy = folder_of(tmp_path)
    assert copy != tmp_path
    assert (copy / "decode_1" / "scan.nbi").read_bytes() == b"code"
    assert {path.stat().st_mode & 0o777 for path in (copy, copy / "decode_1")} == {
        0o700
    }
    [((remove, *arguments), options)] = at_exit
    remove(*arguments, **options)
    assert not copy.exists()


def test_where_nothing_can_be_written_the_process_compiles(tmp_path, monkeypatch):
    def refused(**kwargs):
        raise OSError

    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr(tempfile, "mkdtemp", refused)
    assert folder_of(tmp_path) == tmp_path
