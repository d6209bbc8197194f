"""The sweep: what Redis missed or lost, it is told again."""

import threading
import time

import pytest

from shared.auth import session_state
from tests.conftest import (
    access_token,
    age,
    database_away,
    forget,
    log_out,
    outcome,
    redis_away,
    refresh_token,
    state_in_redis,
)
from tokens import sweep
from tokens.revocation import announce_recent

pytestmark = pytest.mark.django_db

# Access lifetime, leeway, and a minute to spare, as tests/conftest.py sets them.
PERIOD = 300 + 10 + 60


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


def test_a_revocation_that_redis_lost_is_told_again(session):
    log_out(refresh_token(session))
    forget(session)

    assert announce_recent() == 1
    assert state_in_redis(session) == b"revoked:logout"


def test_a_revocation_that_redis_missed_overwrites_active(session, users, verified):
    """Redis was away during the logout and came back with what it knew before."""
    token = access_token(session, users)
    verified(token)
    with redis_away():
        log_out(refresh_token(session))
    assert state_in_redis(session) == b"active"

    announce_recent()

    assert outcome(verified(token)) == (401, "token_revoked")


def test_it_lasts_as_long_as_a_token_can_live(make_session):
    over = make_session(revoked=True)

    announce_recent()

    ttl = session_state.connection().ttl(session_state.key(over.id))
    month = 30 * 24 * 3600
    assert month - 5 <= ttl - 310 <= month


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, True), (PERIOD - 10, True), (PERIOD + 1, False)],
    ids=["now", "while-an-access-token-lives", "after"],
)
def test_only_what_may_still_matter_is_told(make_session, seconds, told):
    over = make_session(revoked=True)  # five seconds ago
    age(over, seconds)

    assert announce_recent() == int(told)
    assert (state_in_redis(over) is not None) == told


def test_live_sessions_are_left_alone(session, redis_round_trips):
    redis_round_trips.clear()

    assert announce_recent() == 0
    assert redis_round_trips == []


def test_many_revocations_cost_one_statement_and_one_round_trip(
    make_session, django_assert_num_queries, redis_round_trips
):
    for _ in range(30):
        make_session(revoked=True)
    redis_round_trips.clear()

    with django_assert_num_queries(1):
        assert announce_recent() == 30
    assert len(redis_round_trips) == 1


def test_it_goes_on_by_itself(sweeping, session):
    log_out(refresh_token(session))
    for _ in range(3):
        forget(session)
        wait_for(lambda: state_in_redis(session) == b"revoked:logout")


def test_it_survives_what_goes_wrong_in_a_round(sweeping, session, monkeypatch, caplog):
    """A sweep that died would heal nothing, and nobody would notice."""
    from tokens import revocation

    log_out(refresh_token(session))
    failing = threading.Event()
    failing.set()
    announce = revocation.announce

    def sometimes(ended):
        if failing.is_set():
            raise RuntimeError("canary")
        return announce(ended)

    monkeypatch.setattr(revocation, "announce", sometimes)
    wait_for(lambda: caplog.text.count("sweep failed: RuntimeError") >= 3)
    forget(session)
    failing.clear()

    wait_for(lambda: state_in_redis(session) == b"revoked:logout")
    assert "canary" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_it_survives_a_database_that_is_away(session, caplog):
    log_out(refresh_token(session))
    forget(session)
    with database_away():
        sweep.sweep_once()
    assert "sweep failed: OperationalError" in caplog.text
    assert state_in_redis(session) is None

    sweep.sweep_once()

    assert state_in_redis(session) == b"revoked:logout"


@pytest.mark.django_db(transaction=True)
def test_it_survives_a_redis_that_is_away(session):
    log_out(refresh_token(session))
    forget(session)
    with redis_away():
        sweep.sweep_once()

    sweep.sweep_once()

    assert state_in_redis(session) == b"revoked:logout"


@pytest.mark.django_db(transaction=True)
def test_it_holds_no_connection_between_its_rounds(session):
    from django.db import connection

    sweep.sweep_once()

    assert connection.connection is None


def test_it_does_not_keep_a_worker_from_ending(monkeypatch):
    monkeypatch.setattr(sweep, "sweep_forever", lambda: None)

    thread = sweep.start_sweep()

    assert thread.daemon
    thread.join()
    assert sweep.INTERVAL <= 2
