"""What was configured, made ready to be asked about packets."""

from __future__ import annotations

import pyarrow as pa

from queries.engine import Engine, Pinned
from transform.policy.policy import Policy


def policy_of(engine: Engine, pinned: Pinned, rows: pa.Table | None = None) -> Policy:
    """Return the policy of a whole inventory; kept for the next question.

    Args:
        engine: Over the lake.
        pinned: The table `configurations`.
        rows: All of it, where that is at hand.
    """

    def make() -> Policy:
        return Policy.of(configured(engine, pinned) if rows is None else rows)

    found: Policy = engine.policies.get(pinned.metadata, make)
    return found


def configured(engine: Engine, pinned: Pinned) -> pa.Table:
    """Return all rows of `configurations`."""
    with engine.session([engine.plan(pinned)]) as session:
        return session.query("FROM configurations")
