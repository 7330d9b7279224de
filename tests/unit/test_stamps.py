"""When a file was taken, by its name: in UTC, whatever the offset it is told with."""

from datetime import UTC, datetime

import pytest

from ingest.inventory.aws.times import stamp_of
from ingest.inventory.kubernetes.stamps import stamp_in


@pytest.mark.parametrize(
    "name",
    [
        "pods-20260101T003000Z",
        "pods-2026-01-01T00:30:00Z",
        "pods-2026-01-01T00-30-00",
        "pods-2026-01-01T02:30:00+02:00",
        "pods-2026-01-01T02:30:00+0200",
        "pods-2025-12-31T19:00:00-05:30",
    ],
)
def test_both_readers_of_names_know_the_same_moment(name):
    at = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    assert stamp_in(f"{name}.json") == at
    assert stamp_of(name) == at
