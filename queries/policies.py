"""What was configured, made ready to be asked about packets."""

from __future__ import annotations

import pyarrow as pa

from queries.engine import Engine, Pinned
from transform.policy.policy import Policy


def policy_of(engine: Engine, pinned: Pinned) -> Policy:
    """Return the policy of a whole inventory; kept for the next question.

    Args:
        engine: Over the lake.
        pinned: The table `configurations`.
    """
    found: Policy = engine.policies.get(
        pinned.metadata, lambda: Policy.of(configured(engine, pinned))
    )
    return found


def configured(engine: Engine, pinned: Pinned) -> pa.Table:
    """Return all rows of `configurations`."""
    with engine.session([engine.plan(pinned)]) as session:
        return session.query("FROM configurations")
