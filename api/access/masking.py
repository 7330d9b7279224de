"""Keys and tokens in what is noted or logged: nobody should find them there."""

from __future__ import annotations

import re

MASK = "***"
# One pass, whatever the text: a token is looked for once in each word, not at each eyJ.
_SECRET = re.compile(
    r"flk_\w+|(?<![\w-])(?=[\w-]*eyJ)[\w-]++\.[\w-]*(?:\.[\w-]*)?", re.ASCII
)


def masked(text: str) -> str:
    """Return a text with whatever looks like an API key or a token masked."""
    return _SECRET.sub(MASK, text)
