"""How much one filter may say."""

from __future__ import annotations

from lark import Token

MAX_LENGTH = 4_000  # characters
MAX_TERMS = 200  # comparisons, and values of their lists beyond the first
MAX_CIDRS = 10  # comparisons with networks, each of which takes long to plan
MAX_NESTING = 50  # NOTs and parentheses around one another


class Bounds:
    """Counts what a filter says, token by token."""

    def __init__(self) -> None:
        self._terms = 0
        self._cidrs = 0
        self._around: list[int] = []  # NOTs and itself, of each open parenthesis
        self._nots = 0

    def exceeded(self, token: Token) -> str:
        """Count a token; return which bound it goes beyond, empty: none."""
        self._terms += token.type in ("FIELD", "_COMMA")
        self._cidrs += token.type == "CIDR"
        self._nest(token)
        if self._terms > MAX_TERMS:
            return f"at most {MAX_TERMS} comparisons and values of lists"
        if self._cidrs > MAX_CIDRS:
            return f"at most {MAX_CIDRS} times CIDR: one takes a list of networks"
        if sum(self._around) + self._nots > MAX_NESTING:
            return f"at most {MAX_NESTING} parentheses and NOTs around one another"
        return ""

    def _nest(self, token: Token) -> None:
        if token.type == "_LPAR":
            self._around.append(self._nots + 1)
        elif token.type == "_RPAR" and self._around:
            self._around.pop()
        self._nots = self._nots + 1 if token.type == "NOT" else 0
