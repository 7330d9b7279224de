"""Tables that are computed for a question, which its report reads by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from queries.contract import RULES
from queries.engine import Engine
from queries.questions import Question
from queries.usage import rules_of

_MAKERS: Mapping[str, Callable[[Engine, Question], pa.Table]] = {RULES: rules_of}


def made_for(engine: Engine, question: Question) -> dict[str, pa.Table]:
    """Return the tables that a question's report reads and nobody stores, by name.

    Raises:
        QueryError: One takes too long or too much.
    """
    return {name: _MAKERS[name](engine, question) for name in question.report.made}
