"""A filter's text read into its tree, against a closed list of fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from lark import Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from lake.errors import FilterError
from queries.filters.bounds import MAX_LENGTH, Bounds
from queries.filters.fields import OPERATORS, no_such_field, resolved
from queries.filters.grammar import (
    LITERALS,
    Branch,
    operator_of,
    parser_of,
    place_after,
)
from queries.filters.literals import ESCAPES, is_quoted, quoted, read, takes
from queries.filters.tree import (
    FieldType,
    Filter,
    Operator,
    Value,
    all_of,
    any_of,
    compared,
    negated,
)
from queries.filters.writing import canonical

_SHOWN = 40  # characters of what is told in an error


def parse(text: str, fields: Mapping[str, FieldType]) -> Filter:
    """Read a filter.

    Filters that differ only in case, space, quotes, aliases, parentheses that change
    nothing, the order of a list or a NOT before what has an opposite read the same.

    Args:
        text: As users write it.
        fields: What may be named, and of which type.

    Raises:
        FilterError: It is no filter over these fields; says where and why.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(text, MAX_LENGTH, f"at most {MAX_LENGTH:,} characters")
    reader = _Reader(text, fields)
    filter_ = reader.filter(reader.tree())
    if len(canonical(filter_)) > MAX_LENGTH:  # it must be readable too
        why = f"at most {MAX_LENGTH:,} characters, also where it is written out"
        raise FilterError(text, len(text), why)
    return filter_


def validate(text: str, fields: Mapping[str, FieldType]) -> FilterError | None:
    """Return what is wrong with a filter; None: nothing."""
    try:
        parse(text, fields)
    except FilterError as error:
        return error
    return None


class _Reader:
    """Reads one text."""

    def __init__(self, text: str, fields: Mapping[str, FieldType]) -> None:
        self._text = text
        self._fields = fields
        self._bounds = Bounds()

    def tree(self) -> Branch:
        parser = parser_of(self._text)
        try:
            for token in parser.iter_parse():
                self._admit(token)
            return cast("Branch", parser.feed_eof())
        except UnexpectedToken as error:
            raise self._misplaced(error.token) from None
        except UnexpectedCharacters as error:
            raise self._unreadable(cast("int", error.pos_in_stream)) from None

    def filter(self, tree: Branch) -> Filter:
        if tree.data == "comparison":
            return self._comparison([t for t in tree.children if isinstance(t, Token)])
        parts = [self.filter(part) for part in tree.children if isinstance(part, Tree)]
        if tree.data == "negation":
            return negated(parts[0])
        return any_of(parts) if tree.data == "any_of" else all_of(parts)

    def _admit(self, token: Token) -> None:
        """Refuse a field that there is not, and what would be too much."""
        if token.type == "FIELD" and resolved(token.value, self._fields) is None:
            why = no_such_field(_shown(token.value), self._fields)
            raise self._error(_start(token), why)
        if why := self._bounds.exceeded(token):
            raise self._error(_start(token), why)

    def _comparison(self, tokens: Sequence[Token]) -> Filter:
        field = cast("str", resolved(tokens[0].value, self._fields))
        type_ = self._fields[field]
        operator = operator_of(tokens)
        if operator not in OPERATORS[type_]:
            raise self._misplaced(tokens[1], operator)
        literals = [token for token in tokens if token.type in LITERALS]
        values = [self._value(token, field, operator) for token in literals]
        return compared(field, type_, operator, values)

    def _value(self, token: Token, field: str, operator: Operator) -> Value:
        type_ = self._fields[field]
        try:
            return read(token.value, type_, operator)
        except ValueError:
            why = (
                f"{field} takes {takes(type_, operator)}, not {_shown(token.value)}"
                f"{_instead(token.value, field, type_, operator)}"
            )
            raise self._error(_start(token), why) from None

    def _misplaced(self, token: Token, found: str = "") -> FilterError:
        ends = token.type == "$END"
        position = len(self._text.rstrip()) if ends else _start(token)
        place = place_after(self._text[:position], self._fields)
        expected = place.expected()
        if not expected:  # a NOT that goes with no operator of this field
            return self._misplaced(place.tokens[-1])
        found = "the end" if ends else _shown(found or token.value)
        hint = ""
        if token.type == "NULL" and place.takes_value:
            hint = f": write {place.field} IS NULL"
        after = f"after {_shown(place.after)}: " if place.tokens else ""
        why = f"{after}expected {_listed(expected)}, not {found}{hint}"
        return self._error(position, why)

    def _unreadable(self, position: int) -> FilterError:
        character = self._text[position]
        if is_quoted(character):
            return self._error(position, "this quote is never closed")
        return self._misplaced(Token("", character, position))

    def _error(self, position: int, why: str) -> FilterError:
        return FilterError(self._text, position, why)


def _instead(literal: str, field: str, type_: FieldType, operator: Operator) -> str:
    """Say how to write what was probably meant, if that can be guessed."""
    other = literal[1:-1] if is_quoted(literal) else quoted(literal)
    if _reads(other, type_, operator):
        return f": write {_shown(other)}"
    if type_ in ("string", "strings") and "\\" in literal:
        return f": {ESCAPES}"
    negative = "NOT " if operator in ("!=", "NOT IN") else ""
    if type_ == "address" and _reads(literal, type_, "CIDR"):
        return f": write {field} {negative}CIDR {_shown(literal)}"
    return ""


def _reads(literal: str, type_: FieldType, operator: Operator) -> bool:
    try:
        read(literal, type_, operator)
    except ValueError:
        return False
    return True


def _start(token: Token) -> int:
    return token.start_pos or 0


def _listed(choices: Sequence[str]) -> str:
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last


def _shown(text: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}…"
