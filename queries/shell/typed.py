"""What was typed: where a statement ends, and what of it is SQL and not text."""

from __future__ import annotations

import re

# What a semicolon means nothing in; without its end it goes on in the next line.
_APART = re.compile(
    r"""(?P<text>'(?:[^']|'')*(?P<text_end>'|\Z)|"(?:[^"]|"")*(?P<name_end>"|\Z))"""
    r"|(?P<dollar>\$(?P<tag>\w*)\$.*?(?P<dollar_end>\$(?P=tag)\$|\Z))"
    r"|(?P<line>--[^\n]*)"
    r"|(?P<block>/\*.*?(?P<block_end>\*/|\Z))"
    r"|(?P<end>;)",
    re.DOTALL,
)
LEAVE = {"exit", "quit", "\\q"}


def split(typed: str) -> tuple[list[str], str]:
    """Return the statements that have ended with ``;``, and what stands behind them."""
    statements, begin = [], 0
    for found in _APART.finditer(typed):
        if found["end"]:
            statements.append(typed[begin : found.start()])
            begin = found.end()
    return [s for s in statements if not is_blank(s)], typed[begin:]


def is_blank(typed: str) -> bool:
    """Whether it holds nothing but blanks and whole comments."""
    return not _APART.sub(_without_comments, typed).strip()


def is_dotted(typed: str) -> bool:
    """Whether it is a dot command, or a word that leaves the shell."""
    word = typed.strip().rstrip(";").lower()
    return word.startswith(".") or word in LEAVE


def is_whole(typed: str) -> bool:
    """Whether nothing is missing, so that Enter runs it and starts no further line."""
    return is_dotted(typed) or is_blank(split(typed)[1])


def masked(sql: str) -> tuple[str, bool]:
    """Return the SQL with texts and comments as blanks, and if it ends within one."""
    open_ = False
    for found in _APART.finditer(sql):
        unfinished = found["line"] is not None or not _is_closed(found)
        open_ = unfinished and found.end() == len(sql)
    return _APART.sub(_as_blanks, sql), open_


def _as_blanks(found: re.Match[str]) -> str:
    kept = found["end"] or found["name_end"]
    return found[0] if kept else " " * len(found[0])


def _without_comments(found: re.Match[str]) -> str:
    comment = found["line"] is not None or found["block_end"]
    return " " if comment else found[0]


def _is_closed(found: re.Match[str]) -> bool:
    """Whether its end was found, and not only that of what was typed."""
    return "" not in found.group("text_end", "name_end", "dollar_end", "block_end")
