"""What may be typed next in a filter, for a shell or a page."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lark.exceptions import UnexpectedInput

from queries.filters.bounds import MAX_LENGTH
from queries.filters.grammar import place_after
from queries.filters.tree import FieldType

# Read backwards: a word or a sign that is being typed.
_BEGUN = re.compile(r"""[^\s()=!<>,"']+|[=!<>]+|""")


def complete(text: str, position: int, fields: Mapping[str, FieldType]) -> list[str]:
    """Return what can stand in place of the word that ends at a position.

    Args:
        text: A filter that is being written.
        position: Of the cursor, from 0; what follows it is not looked at.
        fields: What may be named, and of which type.

    Returns:
        Names of fields, operators, keywords and words for values; none where only the
        user can know, and where no filter begins so.
    """
    before = text[: max(position, 0)]
    if len(before) > MAX_LENGTH:
        return []
    begun = _begun(before)
    try:
        place = place_after(before.removesuffix(begun), fields)
    except UnexpectedInput:
        return []
    return [c for c in place.candidates() if c.lower().startswith(begun.lower())]


def _begun(before: str) -> str:
    found = _BEGUN.match(before[::-1])
    return found[0][::-1] if found else ""
