"""The sweep: what Redis missed or lost is written again."""

import itertools
import tracemalloc
import uuid
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from shared.auth import session_state
from tests.conftest import (
    access_token,
    database_down,
    forget,
    log_out,
    outcome,
    redis_down,
    refresh_token,
    state_in_redis,
)
from tests.factories import PendingLoginFactory, SessionFactory
from tokens import revocation, sweep
from tokens.models import PendingLogin, Session
from tokens.revocation import republish_revocations

pytestmark = pytest.mark.django_db

# Access lifetime, leeway, and a minute to spare, as tests/conftest.py sets them.
PERIOD = 300 + 10 + 60


@pytest.fixture
def missed(session):
    """A session that has ended, of which Redis knows nothing."""
    log_out(refresh_token(session))
    forget(session)
    return session


def test_the_sweep_sets_what_redis_lost_and_leaves_what_it_knows(
    missed, redis_round_trips
):
    """It compares: a round without a loss writes nothing."""
    redis_round_trips.clear()
    republish_revocations()
    assert len(redis_round_trips) == 3
    assert state_in_redis(missed) == b"revoked:logout"
    name = session_state.key(missed.id)
    session_state.connection().set(name, "revoked:as it is", ex=100)
    redis_round_trips.clear()
    republish_revocations()
    assert len(redis_round_trips) == 2
    assert state_in_redis(missed) == b"revoked:as it is"


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


# --- Many at once, and one at a time ------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("thousands", [20, pytest.param(200, marks=pytest.mark.verify)])
@pytest.mark.parametrize("is_pooled", [False, True])
def test_many_revocations_are_compared_a_thousand_at_a_time(
    redis_round_trips, monkeypatch, thousands, is_pooled
):
    name = "DISABLE_SERVER_SIDE_CURSORS"  # as behind PgBouncer
    monkeypatch.setitem(connection.settings_dict, name, is_pooled)
    batch = SessionFactory.build_batch(1000, revoked=True)
    for _ in range(thousands):
        for each in batch:
            each.id = uuid.uuid4()
        Session.objects.bulk_create(batch)
    redis_round_trips.clear()
    tracemalloc.start()
    republish_revocations()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(redis_round_trips) == 1 + 2 * thousands  # it asks, then writes
    assert peak < 2 * 2**20  # of all rows at once it would grow with their number
    sids = Session.objects.values_list("id", flat=True)
    keys = [session_state.key(sid) for sid in sids]
    redis = session_state.connection()
    deleted = (redis.delete(*keys[at : at + 1000]) for at in range(0, len(keys), 1000))
    assert sum(deleted) == 1000 * thousands


def test_one_worker_sweeps_at_a_time(missed, another_cursor):
    """Another one has the lock and does it; this round is skipped."""
    lock = "SELECT pg_advisory_xact_lock(%s)"
    another_cursor.execute(lock, [revocation.SWEEP_LOCK])
    republish_revocations()
    assert state_in_redis(missed) is None

    another_cursor.connection.rollback()
    republish_revocations()
    assert state_in_redis(missed) == b"revoked:logout"


def test_no_worker_keeps_the_others_from_sweeping(make_session, monkeypatch):
    """One that stops in its round loses the lock: the database ends its transaction. A
    Redis that does not answer is asked once."""
    monkeypatch.setattr(revocation, "BATCH", 1)
    for _ in range(3):
        make_session(revoked=True)
    limits = []

    def unanswered(*args):
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            limits.extend(cursor.fetchone())

    monkeypatch.setattr(session_state, "repeat_revocations", unanswered)
    republish_revocations()

    assert limits == ["5s"]


def test_a_worker_without_redis_leaves_the_sweep_to_others(
    missed, django_assert_num_queries
):
    """Or its host, cut off from Redis, would have the lock while it waits."""
    with redis_down(), django_assert_num_queries(0):
        republish_revocations()
    republish_revocations()
    assert state_in_redis(missed) == b"revoked:logout"


# --- The thread ---------------------------------------------------------------------


@pytest.fixture
def rounds(monkeypatch):
    """Lets the thread make so many, by a clock; how long it waited before each."""

    def run(count, clock):
        waits = []

        def wait(seconds):
            waits.append(seconds)
            return len(waits) > count

        monkeypatch.setattr(sweep, "time", SimpleNamespace(monotonic=clock))
        sweep.sweep_forever(SimpleNamespace(wait=wait))
        return waits

    return run


@pytest.mark.parametrize(
    ("took", "wait"), [(0.0, 2.0), (0.9, 2.0), (4.0, 8.0)], ids=repr
)
def test_the_next_round_waits_twice_as_long_as_the_last_took(
    monkeypatch, rounds, took, wait
):
    monkeypatch.setattr(sweep, "sweep_once", lambda: None)
    monkeypatch.setattr(sweep, "purge_once", lambda: False)
    assert rounds(1, iter([10.0, 10.0 + took]).__next__) == [2.0, wait]


def test_it_purges_a_batch_in_a_round_and_again_an_hour_later(monkeypatch, rounds):
    """So no sweep waits for a purge of many rows."""
    left, done = iter([2, 2, 1, 0]), []
    twenty_minutes = itertools.count(step=600)  # in a round, which looks twice

    def purge_batch(model):
        if model is PendingLogin:
            return 0
        done.append(next(left))
        return done[-1]

    monkeypatch.setattr(sweep, "sweep_once", lambda: done.append("sweep"))
    monkeypatch.setattr(sweep, "purge_batch", purge_batch)
    monkeypatch.setattr(sweep, "BATCH", 2)
    rounds(6, lambda: next(twenty_minutes))
    assert done == ["sweep", 2, "sweep", 2, "sweep", 1, "sweep", "sweep", "sweep", 0]


def test_one_worker_purges_at_a_time(another_cursor):
    """Sessions and pending logins, a day after they expired."""
    factories = SessionFactory, PendingLoginFactory
    expired = timezone.now() - timedelta(days=2)
    gone = [each(expires_at=expired) for each in factories]
    kept = [each(expires_at=expired + timedelta(days=1.1)) for each in factories]

    def rows():
        return [*Session.objects.all(), *PendingLogin.objects.all()]

    lock = "SELECT pg_advisory_xact_lock(%s)"
    another_cursor.execute(lock, [sweep.PURGE_LOCK])
    assert not sweep.purge_once()
    assert {*rows()} == {*gone, *kept}

    another_cursor.connection.rollback()
    assert not sweep.purge_once()
    assert rows() == kept


@pytest.mark.parametrize("fault", ["OperationalError", "RuntimeError"])
@pytest.mark.django_db(transaction=True)
def test_it_survives_what_goes_wrong_in_a_round(missed, monkeypatch, caplog, fault):
    """A sweep that died would heal nothing, without a sign of it. It holds no
    connection between its rounds."""

    def broken(*args):
        raise RuntimeError("canary")

    with (
        database_down() if fault == "OperationalError" else nullcontext(),
        monkeypatch.context() as patch,
    ):
        patch.setattr(session_state, "repeat_revocations", broken)
        sweep.sweep_once()
    assert f"sweep failed: {fault}" in caplog.text
    assert "canary" not in caplog.text
    assert state_in_redis(missed) is None

    sweep.sweep_once()

    assert connection.connection is None
    assert state_in_redis(missed) == b"revoked:logout"


def test_it_does_not_keep_a_worker_from_ending(monkeypatch):
    monkeypatch.setattr(sweep, "sweep_forever", lambda: None)

    thread = sweep.start_sweep()

    assert thread.daemon
    thread.join()
    assert sweep.INTERVAL <= 2
