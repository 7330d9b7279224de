"""How many questions are answered at once, and how often one caller may ask."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import anyio
import pytest
from fastapi import Depends, FastAPI, Request
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

import api.health
from api.access.keys import Keys
from api.access.principal import Principal, Scope
from api.app import create_app
from api.handlers import add_problem_handlers
from api.requests import GONE, Requests
from api.throttles import CALLERS_KEPT, RateFields, Standing, Throttle, Ticket, count
from api.turns import LEAST, Turns
from lake.errors import TooManyRequests
from lake.settings import load_settings
from queries.limits import UNLIMITED
from tests.asked import Asked, until
from tests.lakes import open_lake

# -- turns ---------------------------------------------------------------------------


@pytest.fixture
def busy():
    """An application with two turns, whose work ends when it is told to."""

    class Busy:
        turns = Turns(2, 1, 30)
        done = anyio.Event()
        app = FastAPI()

        def ask(self, tasks, path="/work", method="GET"):
            asked = Asked(self.app, path, method)
            tasks.start_soon(asked)
            return asked

    made = Busy()
    held = [Depends(made.turns, scope="function")]

    @made.app.api_route("/work", methods=["GET", "POST"], dependencies=held)
    async def work():
        await made.done.wait()

    @made.app.get("/fails", dependencies=held)
    async def fails():
        raise RuntimeError

    add_problem_handlers(made.app)
    made.app.add_middleware(Requests)
    return made


def test_so_many_are_answered_at_once_and_so_many_wait(busy):
    async def run():
        async with anyio.create_task_group() as tasks:
            first = [busy.ask(tasks) for _ in range(2)]
            await until(lambda: busy.turns.taken == 2)
            waits = busy.ask(tasks)
            await until(lambda: busy.turns.waiting == 1)
            refused = Asked(busy.app, "/work")
            await refused()
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
            assert [a.status for a in (*first, waits)] == [None] * 3
            busy.done.set()
        assert [a.status for a in (*first, waits)] == [200] * 3
        assert (busy.turns.taken, busy.turns.waiting) == (0, 0)

    anyio.run(run)


def test_one_that_waits_for_too_long_is_told_to_come_again(busy):
    busy.turns = Turns(1, 1, 0.02)

    async def run():
        @busy.app.get("/short", dependencies=[Depends(busy.turns, scope="function")])
        async def short():
            await busy.done.wait()

        async with anyio.create_task_group() as tasks:
            first = busy.ask(tasks, "/short")
            await until(lambda: busy.turns.taken == 1)
            late = Asked(busy.app, "/short")
            await late()
            assert (late.status, late.headers["retry-after"]) == (503, "5")
            busy.done.set()
        assert first.status == 200
        assert (busy.turns.taken, busy.turns.waiting) == (0, 0)

    anyio.run(run)


def test_a_turn_ends_with_an_error(busy):
    async def run():
        for _ in range(5):
            failed = Asked(busy.app, "/fails")
            await failed()
            assert failed.status == 500
        assert busy.turns.taken == 0

    anyio.run(run)


def test_one_whose_client_has_gone_leaves_the_queue(busy):
    async def run():
        async with anyio.create_task_group() as tasks:
            first = [busy.ask(tasks) for _ in range(2)]
            await until(lambda: busy.turns.taken == 2)
            waits = busy.ask(tasks)
            await until(lambda: busy.turns.waiting == 1)
            waits.gone.set()
            await until(lambda: busy.turns.waiting == 0)
            assert busy.turns.taken == 2
            busy.done.set()
        assert [a.status for a in (*first, waits)] == [200, 200, GONE]
        assert busy.turns.taken == 0

    anyio.run(run)


def test_what_may_have_a_body_waits_without_reading_it(busy):
    async def run():
        async with anyio.create_task_group() as tasks:
            asked = [busy.ask(tasks, method="POST") for _ in range(3)]
            await until(lambda: busy.turns.waiting == 1)
            for one in asked:
                one.gone.set()
            busy.done.set()
        assert [a.status for a in asked] == [200] * 3

    anyio.run(run)


@pytest.mark.parametrize("steps", range(12))
def test_a_turn_ends_when_the_server_stops_the_request(busy, steps):
    """Also of one whose turn has just come."""

    async def run():
        async with anyio.create_task_group() as tasks:
            [busy.ask(tasks) for _ in range(3)]
            await until(lambda: busy.turns.waiting == 1)
            if steps:
                busy.done.set()
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert (busy.turns.taken, busy.turns.waiting) == (0, 0)

    anyio.run(run)


def test_health_and_documentation_take_no_turn(tmp_path, monkeypatch):
    settings = load_settings(lake=str(tmp_path), max_concurrent=1, max_queued=0)
    open_lake(settings).close()
    begun, done = threading.Event(), threading.Event()

    def slow(*args, **more):
        begun.set()
        assert done.wait(30)
        return {}

    monkeypatch.setattr(api.health, "lake_status", slow)
    with TestClient(create_app(settings)) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.get, "/v1/status")
        assert begun.wait(30)
        assert client.get("/v1/status").json()["type"] == "/docs#service-busy"
        for path in ("/v1/identities?address=::1", "/v1/reports/top_talkers"):
            assert client.get(path).status_code == 503
        for path in ("/healthz", "/readyz", "/docs", "/openapi.json", "/v1/reports"):
            assert client.get(path).status_code == 200
        done.set()
        assert first.result().status_code == 200
        assert client.get("/v1/status").status_code == 200


def test_by_default_there_are_two_turns_a_core(monkeypatch):
    for cores, wanted in ((1, LEAST), (8, 16), (None, LEAST)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert Turns(0, 1, 1).at_once == wanted
    assert Turns(3, 1, 1).at_once == 3


# -- rates ---------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def throttle(per_minute=60, burst=3):
    clock = Clock()
    return Throttle(per_minute, burst, clock=clock), clock


def taken(throttle, caller="a", cost=1):
    try:
        throttle.take(caller, cost)
    except TooManyRequests:
        return False
    return True


def test_a_burst_is_taken_then_one_a_second_each_caller_for_itself():
    limited, clock = throttle()
    assert [taken(limited) for _ in range(4)] == [True, True, True, False]
    assert taken(limited, "b")
    assert limited.standing("a") == Standing(0, 1)
    clock.now += 0.5
    assert not taken(limited)
    clock.now += 0.5
    assert [taken(limited) for _ in range(2)] == [True, False]
    clock.now += 3600
    assert limited.standing("a") == Standing(3, 0)


@given(
    st.integers(1, 600),
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=60),
)
@example(1, 1, [(0.1, 1), (0.0, 1)])  # a token less a rounding
def test_never_more_than_the_burst_and_the_rate_and_never_a_wait_in_vain(
    per_minute, burst, steps
):
    limited, clock = throttle(per_minute, burst)
    begun, spent = clock.now, 0.0
    for pause, cost in steps:
        clock.now += pause
        try:
            limited.take("a", cost)
            spent += min(cost, burst)
        except TooManyRequests as refused:
            clock.now += refused.retry_after_s
            limited.take("a", cost)
            spent += min(cost, burst)
        most = burst + (clock.now - begun) * per_minute / 60
        assert spent <= most + 1e-6
        assert 0 <= limited.standing("a").left <= burst


def test_what_a_request_has_cost_more_is_owed():
    limited, clock = throttle()
    limited.take("a")
    Ticket(limited, "a").charge(10)
    assert limited.standing("a") == Standing(0, 9)
    clock.now += 9
    assert taken(limited)
    Ticket(limited, "a").charge(-100)
    assert limited.standing("a").left == 3


def test_the_callers_that_are_remembered_are_bounded():
    limited, _ = throttle()
    for number in range(CALLERS_KEPT + 50):
        limited.take(str(number))
    assert len(limited) == CALLERS_KEPT
    assert limited.standing("0").left == 3
    assert limited.standing(str(CALLERS_KEPT + 49)).left == 2


@pytest.fixture
def limited(tmp_path):
    """The service over an empty lake, three requests at once, one more a second."""
    settings = load_settings(lake=str(tmp_path), rate_per_minute=1, rate_burst=3)
    open_lake(settings).close()
    with TestClient(create_app(settings)) as client:
        yield client


def test_a_caller_is_told_what_is_left_and_refused_beyond(limited):
    answers = [limited.get("/v1/reports") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert [a.headers["ratelimit"].split(";")[1] for a in answers] == [
        "r=2",
        "r=1",
        "r=0",
        "r=0",
    ]
    policy = '"default";q=1;w=60;flowlake-burst=3'
    assert {a.headers["ratelimit-policy"] for a in answers} == {policy}
    refused = answers[-1]
    assert refused.json()["type"] == "/docs#too-many-requests"
    wait = int(refused.headers["retry-after"])
    assert refused.headers["ratelimit"] == f'"default";r=0;t={wait}'
    assert 50 < wait <= 60


def test_wrong_questions_count_and_health_does_not(limited):
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert "ratelimit" not in limited.get(path).headers
    assert (
        limited.get("/v1/reports/nonsense")
        .headers["ratelimit"]
        .startswith('"default";r=2;')
    )
    assert (
        limited.head("/v1/identities").headers["ratelimit"].startswith('"default";r=1;')
    )


def test_an_answer_that_the_client_has_does_not_count(limited):
    path = "/v1/reports/top_talkers?since=2026-01-01&until=2026-01-02"
    etag = limited.get(path).headers["etag"]
    for _ in range(5):
        again = limited.get(path, headers={"if-none-match": etag})
        assert again.status_code == 304
        assert again.headers["ratelimit"].startswith('"default";r=2;')
    assert limited.get(path).headers["ratelimit"].startswith('"default";r=1;')


def test_what_the_service_cannot_answer_now_does_not_count(tmp_path):
    settings = load_settings(lake=str(tmp_path), rate_per_minute=1, rate_burst=3)
    with TestClient(create_app(settings)) as client:
        for _ in range(5):
            answer = client.get("/v1/status")
            assert (answer.status_code, answer.headers["ratelimit"]) == (
                503,
                '"default";r=3;t=0',
            )


def test_who_is_known_counts_by_key_and_others_by_network():
    buckets, _ = throttle()
    app = FastAPI()

    @app.get("/{key}")
    def ask(key: str, request: Request):
        if key != "none":
            request.state.principal = Principal("n", key, frozenset(), UNLIMITED)
        count(request, buckets)
        return request.state.ticket.caller

    app.add_middleware(RateFields)

    def asked(key, host):
        with TestClient(app, client=(host, 1)) as client:
            return client.get(f"/{key}").json()

    assert asked("k1", "10.0.0.1") == asked("k1", "10.0.0.2") == "key k1"
    assert asked("none", "10.0.0.1") == "address 10.0.0.1"
    one, same, other = (
        asked("none", host)
        for host in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    )
    assert one == same != other


def test_each_key_has_its_own_rate_and_who_has_none_takes_nothing(tmp_path):
    settings = load_settings(lake=str(tmp_path), rate_per_minute=1, rate_burst=1)
    with closing(Keys(settings)) as keys:
        now, scopes = datetime.now(UTC), frozenset({Scope.REPORTS})
        made = [
            keys.create(name, scopes, limits=UNLIMITED, now=now, expires=None)[0]
            for name in ("one", "two")
        ]
    headers = [{"x-api-key": key.text} for key in made]
    with TestClient(create_app(settings)) as client:
        for _ in range(2):
            refused = client.get("/v1/reports")
            assert (refused.status_code, refused.headers.get("ratelimit")) == (
                401,
                None,
            )
        statuses = [client.get("/v1/reports", headers=h).status_code for h in headers]
        again = [client.get("/v1/reports", headers=h).status_code for h in headers]
    assert (statuses, again) == ([200, 200], [429, 429])


def test_without_a_rate_nothing_is_counted(tmp_path):
    client = TestClient(create_app(load_settings(lake=str(tmp_path))))
    assert "ratelimit" not in client.get("/v1/reports").headers
