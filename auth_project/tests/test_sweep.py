"""The sweep: what Redis missed or lost is written again."""

import threading
import time
import tracemalloc
import uuid
from contextlib import contextmanager
from itertools import islice
from types import SimpleNamespace

import pytest
from django.db import connection

from shared.auth import session_state
from tests.conftest import (
    access_token,
    age,
    database_down,
    forget,
    log_out,
    outcome,
    redis_down,
    refresh_token,
    state_in_redis,
)
from tests.factories import SessionFactory
from tokens import revocation, sweep
from tokens.models import Session
from tokens.revocation import republish_revocations

pytestmark = pytest.mark.django_db

# Access lifetime, leeway, and a minute to spare, as tests/conftest.py sets them.
PERIOD = 300 + 10 + 60


def repaired(redis_round_trips):
    """Round trips of a round: one that compares, and one more that sets."""
    redis_round_trips.clear()
    republish_revocations()
    return len(redis_round_trips) - 1


def test_the_sweep_sets_what_redis_lost_and_leaves_what_it_knows(
    session, redis_round_trips
):
    """It compares: a round without a loss writes nothing."""
    log_out(refresh_token(session))
    forget(session)

    assert repaired(redis_round_trips) == 1
    assert state_in_redis(session) == b"revoked:logout"
    name = session_state.key(session.id)
    session_state.connection().set(name, "revoked:as it is", ex=100)
    assert repaired(redis_round_trips) == 0
    assert state_in_redis(session) == b"revoked:as it is"


def test_a_revocation_that_redis_missed_overwrites_active(session, users, verified):
    """Redis was down during the logout and came back with what it knew before."""
    token = access_token(session, users)
    verified(token)
    with redis_down():
        log_out(refresh_token(session))
    assert state_in_redis(session) == b"active"

    republish_revocations()

    assert outcome(verified(token)) == (401, "token_revoked")


@pytest.mark.parametrize("by", ["logout", "sweep", "no row"])
def test_keys_last_as_long_as_an_access_token_and_a_minute(make_session, by):
    """Not as long as a refresh token, of which PostgreSQL knows."""
    over = make_session(revoked=by == "sweep")
    cookie = refresh_token(over)
    if by == "no row":
        Session.objects.all().delete()
    if by == "sweep":
        republish_revocations()
    else:
        log_out(cookie)

    ttl = session_state.connection().ttl(session_state.key(over.id))
    assert PERIOD - 5 <= ttl <= PERIOD


@pytest.mark.parametrize(
    ("traits", "seconds", "written"),
    [
        pytest.param({"revoked": True}, 0, True, id="now"),
        pytest.param({"revoked": True}, PERIOD - 10, True, id="while-tokens-live"),
        pytest.param({"revoked": True}, PERIOD + 1, False, id="after"),
        pytest.param({}, 0, False, id="live"),
    ],
)
def test_only_what_may_still_matter_is_written(make_session, traits, seconds, written):
    session = make_session(**traits)  # revoked five seconds ago
    age(session, seconds)

    republish_revocations()

    assert (state_in_redis(session) is not None) == written


# --- Many at once -------------------------------------------------------------------


@contextmanager
def many_revoked(count):
    """So many sessions that have just ended; their keys go afterwards."""
    batch = SessionFactory.build_batch(1000, revoked=True)
    for _ in range(count // len(batch)):
        for each in batch:
            each.id = uuid.uuid4()
        Session.objects.bulk_create(batch)
    yield
    redis = session_state.connection()
    names = redis.scan_iter("session:*", count=1000)
    while batch := list(islice(names, 1000)):
        redis.delete(*batch)


# Sessions revoked at once, and the megabytes that a round may take for them.
MANY = [20_000, pytest.param(200_000, marks=pytest.mark.verify)]


@pytest.mark.parametrize("count", MANY)
@pytest.mark.django_db(transaction=True)
def test_many_revocations_are_compared_a_thousand_at_a_time(
    count, redis_round_trips, monkeypatch
):
    sizes, repeat = [], session_state.repeat_revocations

    def counted(batch):
        sizes.append(len(batch))
        return repeat(batch)

    monkeypatch.setattr(session_state, "repeat_revocations", counted)
    with many_revoked(count):
        redis_round_trips.clear()
        tracemalloc.start()
        republish_revocations()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert sizes == [1000] * (count // 1000)
        assert len(redis_round_trips) == 2 * len(sizes)
        redis_round_trips.clear()
        republish_revocations()
        assert len(redis_round_trips) == count // 1000
    assert peak < 10 * 2**20  # of all rows at once it would grow with their number


def test_one_worker_sweeps_at_a_time(session, redis_round_trips, another_cursor):
    """Another one has the lock and does it; this round is skipped."""
    log_out(refresh_token(session))
    forget(session)
    lock = "SELECT pg_advisory_xact_lock(%s)"
    another_cursor.execute(lock, [revocation.SWEEP_LOCK])
    redis_round_trips.clear()
    republish_revocations()
    assert redis_round_trips == []

    another_cursor.connection.rollback()
    republish_revocations()
    assert state_in_redis(session) == b"revoked:logout"


def test_a_worker_that_stops_in_its_round_loses_the_lock(session, monkeypatch):
    """The database ends its transaction: no worker keeps the others from sweeping."""
    log_out(refresh_token(session))
    limits = []

    def look(batch):
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            limits.append(cursor.fetchone()[0])
        return True

    monkeypatch.setattr(session_state, "repeat_revocations", look)
    republish_revocations()

    assert limits == ["5s"]


def test_a_redis_that_does_not_answer_is_asked_once_a_round(make_session, monkeypatch):
    monkeypatch.setattr(revocation, "BATCH", 1)
    for _ in range(3):
        make_session(revoked=True)
    asked = []
    monkeypatch.setattr(
        session_state, "repeat_revocations", lambda batch: asked.append(batch)
    )

    republish_revocations()

    assert len(asked) == 1


@pytest.mark.parametrize(
    ("took", "wait"), [(0.0, 2.0), (0.9, 2.0), (4.0, 8.0)], ids=repr
)
def test_the_next_round_waits_twice_as_long_as_the_last_took(monkeypatch, took, wait):
    waits, moments = [], iter([10.0, 10.0 + took])

    class Stop:
        def wait(self, seconds):
            waits.append(seconds)
            return len(waits) > 1

    monkeypatch.setattr(sweep, "sweep_once", lambda: None)
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr(sweep, "time", clock)
    sweep.sweep_forever(Stop())

    assert waits == [2.0, wait]


# --- The thread ---------------------------------------------------------------------


@pytest.fixture
def sweeping(transactional_db, monkeypatch):
    """A sweep that runs often, in a thread of its own."""
    monkeypatch.setattr(sweep, "INTERVAL", 0.02)
    stop = threading.Event()
    thread = threading.Thread(target=sweep.sweep_forever, args=(stop,))
    thread.start()
    yield thread
    stop.set()
    thread.join()


def wait_for(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_it_survives_what_goes_wrong_in_a_round(sweeping, session, monkeypatch, caplog):
    """A sweep that died would heal nothing, without a sign of it."""
    log_out(refresh_token(session))
    failing = threading.Event()
    failing.set()
    repeat = session_state.repeat_revocations

    def sometimes(batch):
        if failing.is_set():
            raise RuntimeError("canary")
        return repeat(batch)

    monkeypatch.setattr(session_state, "repeat_revocations", sometimes)
    wait_for(lambda: caplog.text.count("sweep failed: RuntimeError") >= 3)
    failing.clear()
    for _ in range(3):
        forget(session)
        wait_for(lambda: state_in_redis(session) == b"revoked:logout")
    assert "canary" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_it_survives_a_database_that_is_down(session, caplog):
    """And holds no connection between its rounds."""
    log_out(refresh_token(session))
    forget(session)
    with database_down():
        sweep.sweep_once()
    assert "sweep failed: OperationalError" in caplog.text
    assert state_in_redis(session) is None

    sweep.sweep_once()

    assert connection.connection is None
    assert state_in_redis(session) == b"revoked:logout"


def test_it_does_not_keep_a_worker_from_ending(monkeypatch):
    monkeypatch.setattr(sweep, "sweep_forever", lambda: None)

    thread = sweep.start_sweep()

    assert thread.daemon
    thread.join()
    assert sweep.INTERVAL <= 2
