"""The grammar, and what stands at a place in a filter and may stand there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from lark import Lark, Token, Tree

from queries.filters.fields import OPERATORS, WORDS, resolved
from queries.filters.literals import takes
from queries.filters.tree import FieldType

Branch: TypeAlias = Tree[Token]

LITERALS = ("STRING", "WORD")
_SIGNS = {
    "NOT": "NOT", "_LPAR": "(", "_AND": "AND", "_OR": "OR", "_COMMA": ",", "_RPAR": ")",
}  # fmt: skip
_OF_OPERATORS = ("COMPARE", "NOT", "IN", "LIKE", "CIDR", "IS", "NULL")


def parser_of(text: str) -> Any:
    """Return lark's interactive parser, which has read nothing of the text yet."""
    return _grammar().parse_interactive(text)


@cache
def _grammar() -> Lark:
    text = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", start="any_of", maybe_placeholders=False)


def operator_of(tokens: Sequence[Token]) -> str:
    """Return the operator, maybe only begun, among a comparison's tokens."""
    return " ".join(
        token.value if token.type == "COMPARE" else token.type
        for token in tokens
        if token.type in _OF_OPERATORS
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a filter.

    Attributes:
        tokens: What stands before it.
        accepted: Names of the terminals that may stand there.
        fields: The caller's list.
        field: The one that was named last; None: none yet.
    """

    tokens: Sequence[Token]
    accepted: frozenset[str]
    fields: Mapping[str, FieldType]
    field: str | None

    @property
    def type(self) -> FieldType | None:
        """The type of the field that was named last."""
        return self.fields[self.field] if self.field else None

    @property
    def takes_value(self) -> bool:
        """Whether a value may stand there."""
        return "STRING" in self.accepted

    @property
    def after(self) -> str:
        """What stands just before: a field with what of an operator there is."""
        compared = self._compared()
        if all(token.type in _OF_OPERATORS for token in compared[1:]):
            return " ".join(compared)
        return str(self.tokens[-1])

    def candidates(self) -> list[str]:
        """Return what can be written there, as it is written."""
        words = WORDS.get(self.type, ()) if self.type else ()
        return self._named(fields=sorted(self.fields), values=words)

    def expected(self) -> list[str]:
        """Return what can be written there, in words."""
        values = [takes(self.type, self._operator())] if self.type else []
        end = ["the end"] if "$END" in self.accepted else []
        return [*self._named(fields=["a field"], values=values), *end]

    def _named(self, *, fields: Sequence[str], values: Sequence[str]) -> list[str]:
        if self.accepted & {"LIKE", "NULL"}:
            begun = f"{self._operator()} ".lstrip()
            operators = OPERATORS[self.type] if self.type else ()
            return [o.removeprefix(begun) for o in operators if o.startswith(begun)]
        named = list(fields) if "FIELD" in self.accepted else []
        named += values if self.takes_value else []
        return named + [sign for name, sign in _SIGNS.items() if name in self.accepted]

    def _operator(self) -> str:
        return operator_of(self._compared())

    def _compared(self) -> Sequence[Token]:
        """Return the tokens from the last field on."""
        starts = [i for i, token in enumerate(self.tokens) if token.type == "FIELD"]
        return self.tokens[starts[-1] :] if starts else self.tokens


def place_after(text: str, fields: Mapping[str, FieldType]) -> Place:
    """Return the place behind the beginning of a filter.

    Raises:
        lark.exceptions.UnexpectedInput: No filter begins so.
    """
    parser = parser_of(text)
    tokens = parser.exhaust_lexer()
    named = [token.value for token in tokens if token.type == "FIELD"]
    return Place(
        tokens=tokens,
        accepted=frozenset(parser.accepts()),
        fields=fields,
        field=resolved(named[-1], fields) if named else None,
    )
