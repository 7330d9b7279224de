"""A soak of some seconds: the same as `make soak` runs for an hour, all in it once."""

import pytest

from tests.e2e.soak.figures import figures
from tests.e2e.soak.scheduled import BEFALLS
from tests.e2e.soak.soaking import soak
from tests.e2e.soak.spec import short_soak
from tests.e2e.soak.troubles import TROUBLES


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return figures(soak(short_soak(tmp_path_factory.mktemp("soak"))))


def test_every_law_holds_and_nothing_leaks(told):
    assert told["broken"] == []


def test_everything_happened_that_can(told):
    assert {
        *("usual", "straggling", "late", "held", "copy", "again", "odd", "queued")
    } == set(told["deliveries"])
    assert set(TROUBLES) == set(told["store_troubles"])
    assert {*BEFALLS} - {"none"} == set(told["troubled"])
    assert told["killed"] > 1
    assert told["hours_settled_again"] > 0
    assert told["catalog_locked_s"]
    assert {"ingest", "queue", "inventory", "compact", "gc", "retain", "status"} == set(
        told["runs"]
    )
    assert told["api"]["statuses"]["200"] > 10
