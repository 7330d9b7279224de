"""The shell at a terminal that can edit lines: completion, history, several lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.utils import is_dumb_terminal

from queries.shell.completion import suggestions
from queries.shell.typed import is_whole
from queries.shell.vocabulary import Vocabulary

HISTORY = "sql_history"


def can_edit() -> bool:
    """Whether the terminal can move its cursor."""
    return not is_dumb_terminal()


def prompt_session(
    words: Vocabulary,
    *,
    prompt: str,
    further: str,
    history: History | None = None,
    **devices: Any,
) -> PromptSession[str]:
    """Return what reads entries, edited, completed and remembered.

    Args:
        words: What completion offers.
        prompt: Shown before an entry.
        further: Shown before its further lines.
        history: What was entered before; None: the user's file.
        devices: ``input`` and ``output`` other than the terminal.
    """
    return PromptSession(
        prompt,
        multiline=True,
        prompt_continuation=further,
        completer=_Words(words),
        complete_while_typing=True,
        key_bindings=_keys(),
        history=open_history() if history is None else history,
        **devices,
    )


def open_history(folder: Path | None = None) -> History:
    """Return the history in a folder, for its user's eyes only.

    Where nothing can be written, it is remembered until the shell ends.

    Args:
        folder: None: the user's own, by the XDG rules.
    """
    try:
        place = folder or _state_folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = place / HISTORY
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except (OSError, RuntimeError):  # no room, no right, no home
        return InMemoryHistory()
    return _Kept(path)


def _state_folder() -> Path:
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    base = named if named.is_absolute() else Path("~/.local/state").expanduser()
    return base / "flowlake"


class _Kept(FileHistory):
    """A file of entries; a full disk loses the newest and not the shell."""

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)


class _Words(Completer):
    def __init__(self, words: Vocabulary) -> None:
        self._words = words

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        before, after = document.text_before_cursor, document.text_after_cursor
        for found in suggestions(before, after, self._words):
            yield Completion(
                found.text, start_position=found.start, display_meta=found.meaning
            )


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", filter=has_focus(DEFAULT_BUFFER))
    def _(event: KeyPressEvent) -> None:
        """Take the chosen word, else run what is whole, else begin a line."""
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
        elif is_whole(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.newline()

    return keys
