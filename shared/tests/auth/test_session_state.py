"""The state of sessions in Redis: what may overwrite what, and what faults do."""

import socket
import time
import uuid
from unittest.mock import Mock

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError

from shared.auth import session_state
from shared.tests.redis_fixtures import redis_at, redis_unavailable


@pytest.fixture
def sid():
    """A session that Redis does not know."""
    sid = uuid.uuid4()
    yield sid
    session_state.connection().delete(session_state.key(sid))


def state(sid):
    """What is written of a session, and for how many seconds more."""
    redis, key = session_state.connection(), session_state.key(sid)
    return redis.get(key), redis.ttl(key)


def revoked(sid, reason="logout", seconds=60):
    return session_state.mark_revoked({sid: reason}, seconds)


def test_no_answer_is_a_token_or_holds_one(sid):
    """TOK-15: what lies in Redis is worth nothing to a thief. A missing key is neither
    yes nor no, and a value that we did not write no yes."""
    assert session_state.key(sid) == f"session:{sid}"
    assert session_state.is_active(sid) is None
    session_state.mark_active(sid, 310)
    assert session_state.is_active(sid) is True
    assert state(sid) in ((b"active", 310), (b"active", 309))
    session_state.connection().set(session_state.key(sid), "ACTIVE", ex=10)
    assert session_state.is_active(sid) is False


def test_a_revocation_lasts_as_long_as_it_is_said(sid):
    """TOK-11: longer keys would fill Redis."""
    assert revoked(sid, "reuse", 1000) is True

    assert session_state.is_active(sid) is False
    assert state(sid) in ((b"revoked:reuse", 1000), (b"revoked:reuse", 999))


def test_active_never_overwrites_a_revocation(sid):
    """DATA-03: a refresh writes `active` after a logout has ended the session."""
    session_state.mark_active(sid, 310)
    revoked(sid)
    session_state.mark_active(sid, 310)

    assert state(sid)[0] == b"revoked:logout"


@pytest.mark.parametrize(("later", "wanted"), [(600, 600), (20, 310)])
def test_a_later_active_prolongs_and_never_shortens(sid, later, wanted):
    session_state.mark_active(sid, 310)
    session_state.mark_active(sid, later)

    assert wanted - 1 <= state(sid)[1] <= wanted


def test_many_revocations_cost_one_round_trip_and_so_does_every_other_act(
    sid, redis_round_trips
):
    batch = {uuid.uuid4(): "test" for _ in range(200)}
    for act in (
        lambda: session_state.mark_revoked(batch, 5),
        lambda: session_state.is_active(sid),
        lambda: session_state.mark_active(sid, 10),
        lambda: session_state.is_noted(session_state.key(sid), 10),
    ):
        redis_round_trips.clear()
        act()
        assert len(redis_round_trips) == 1
    assert all(session_state.is_active(each) is False for each in batch)


def test_a_redis_that_is_unavailable_is_unknown_and_no_error(sid, caplog):
    """Failures are logged by type alone."""
    with redis_unavailable():
        assert session_state.is_active(sid) is None
        session_state.mark_active(sid, 10)
        assert session_state.is_noted("test", 10) is False
        assert revoked(sid) is False

    acts = ("read", "mark_active", "is_noted", "mark_revoked")
    logged = [record.getMessage() for record in caplog.records]
    assert logged == [f"redis {act} failed: ConnectionError" for act in acts]


@pytest.fixture
def double(monkeypatch):
    """A Redis in which each command has the outcome that the test gives it."""
    redis = Mock()
    with monkeypatch.context() as patch:
        patch.setattr(session_state, "connection", lambda: redis)
        yield redis


@pytest.mark.parametrize(
    ("delete", "is_said"), [(None, True), (ReadOnlyError("a replica"), False)]
)
def test_a_full_redis_that_refuses_a_revocation_forgets_the_session(
    sid, double, delete, is_said
):
    """DATA-01: SET is refused, DEL is allowed, and a missing key is safe. A replica
    refuses both."""
    double.pipeline().execute.return_value = [OutOfMemoryError("full"), True]
    double.delete.side_effect = delete
    batch = dict.fromkeys((sid, uuid.uuid4()), "logout")

    assert session_state.mark_revoked(batch, 60) is is_said
    double.pipeline().execute.assert_called_once_with(raise_on_error=False)
    double.delete.assert_called_once_with(session_state.key(sid))


def test_a_redis_that_says_nothing_is_waited_for_briefly(sid):
    """DATA-05: half a second at first, nothing once the breaker has opened."""
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, redis_at(f"redis://127.0.0.1:{silent.getsockname()[1]}"):
        started = time.monotonic()
        assert session_state.is_active(sid) is None
        assert time.monotonic() - started < 1.5

        for _ in range(2):
            session_state.is_active(sid)
        started = time.monotonic()
        assert session_state.is_active(sid) is None
        assert time.monotonic() - started < 0.2


def test_after_three_failures_no_caller_asks_for_a_while(sid, double):
    """But a revocation is tried: it is the write that matters."""
    double.get.side_effect = RedisConnectionError
    for _ in range(10):
        assert session_state.is_active(sid) is None
    session_state.mark_active(sid, 10)
    assert session_state.is_noted("test", 10) is False
    assert (double.get.call_count, double.pipeline.call_count) == (3, 0)

    double.pipeline().execute.return_value = [True]
    assert revoked(sid) is True


def test_a_pause_in_vain_begins_again_with_one_question(sid, double, monkeypatch):
    """And only failures in a row count."""
    monkeypatch.setattr(session_state.breaker, "pause", 0.2)
    failures, success = [RedisConnectionError] * 2, b"active"
    double.get.side_effect = [*failures * 2, *[success, *failures] * 2, success]
    for asked in (3, 4):
        for _ in range(5):
            assert session_state.is_active(sid) is None
        assert double.get.call_count == asked
        time.sleep(0.25)
    answers = [session_state.is_active(sid) for _ in range(7)]
    assert answers == [True, None, None, True, None, None, True]
