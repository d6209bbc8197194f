"""Every interleaving of two acts, step by step, on real PostgreSQL and Redis.

A step is what other processes could come between: a statement, a read or a write in
Redis; the question to the User Service where its answer changes. Two workers take their
steps in the order a schedule says, and all schedules are run. What must hold afterwards
is the same for all.
"""

import itertools
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection

from shared.api.exceptions import DependencyUnavailable, TokenRevoked
from shared.auth import session_state
from shared.auth.authentication import TokenUser
from tests.conftest import CREDENTIALS, age, forget, refresh_token, state_in_redis
from tokens import logins, revocation, services
from tokens.models import Session, SessionQuerySet, UserEpoch
from tokens.revocation import republish_revocations

pytestmark = pytest.mark.django_db(transaction=True)

CLIENT = services.Client("192.0.2.1", "interleaved", lambda: None)
PATIENCE = 5.0  # seconds; a step that takes longer is a deadlock


class Turns:
    """Of one thread: it continues when asked to, and says when it has stopped."""

    def __init__(self):
        self.go, self.stopped = threading.Semaphore(0), threading.Semaphore(0)
        self.over = False

    def wait(self):
        if not self.go.acquire(timeout=4 * PATIENCE):
            pytest.fail("no turn came")

    def take(self):
        self.go.release()
        if not self.stopped.acquire(timeout=PATIENCE):
            pytest.fail("a deadlock")


class Stepper:
    """Lets two threads continue one step at a time."""

    def __init__(self):
        self.pool = ThreadPoolExecutor(2)
        self.local = threading.local()
        self.skipped = {"answer"}

    def run(self, acts, schedule):
        """Results or errors of the acts, whose steps came in this order. What an act
        has left when its turns are over, it does at the end."""
        turns = Turns(), Turns()
        futures = [*map(partial(self.pool.submit, self.work), turns, acts)]
        # First, each comes to its first step.
        for number in (0, 1, *schedule, *(0, 1) * 20):
            if not turns[number].over:
                turns[number].take()
        return [future.result(PATIENCE) for future in futures]

    def work(self, turns, act):
        self.local.turns = turns
        turns.wait()
        try:
            return act()
        except Exception as exc:  # noqa: BLE001 - the outcome, whatever it is
            return exc
        finally:
            self.local.turns, turns.over = None, True
            turns.stopped.release()

    def pause(self, name):
        """Called before every step; other threads than our two do not stop."""
        turns = getattr(self.local, "turns", None)
        if turns and name not in self.skipped:
            turns.stopped.release()
            turns.wait()

    def close(self):
        barrier = threading.Barrier(2)  # one connection in each thread

        def close(_):
            barrier.wait(PATIENCE)
            connection.close()

        list(self.pool.map(close, range(2)))
        self.pool.shutdown()


@pytest.fixture
def stepper(monkeypatch, users):
    stepper = Stepper()

    def stepping(owner, name):
        original = getattr(owner, name)

        def with_pause(*args, **kwargs):
            stepper.pause(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, with_pause)

    for name in ("raise_floors", "execute", "first"):
        stepping(SessionQuerySet, name)
    for name in ("is_active", "mark_active", "mark_revoked"):
        stepping(session_state, name)
    stepping(users, "answer")
    yield stepper
    stepper.close()


def schedules(first, second):
    """All orders of so many steps of the first and the second."""
    for chosen in itertools.combinations(range(first + second), first):
        yield tuple(0 if i in chosen else 1 for i in range(first + second))


def refreshing(token):
    return partial(services.refresh, token, CLIENT, time.monotonic())


def changing(stepper, users, session, keep=False):
    """A change of password: the commit, then the push."""

    def change():
        stepper.pause("commit")
        sid = session.id if keep else None
        raised = users.raise_epoch(sid)
        epoch, kept = raised["session_epoch"], (sid, raised["kept_from"])
        return revocation.end_sessions_below(
            [session.user_id], epoch, "password", *kept
        )

    return change


def assert_over(session, *grants):
    """Nothing that was ever given for this session is of use any more, nor becomes so
    after a flush or a sweep."""
    texts = [str(g.access) for g in grants if isinstance(g, services.Grant)]
    for recovery in (lambda: None, lambda: forget(session), republish_revocations):
        recovery()
        for text in texts:
            with pytest.raises(TokenRevoked):
                services.verify(text)
    row = Session.objects.get(id=session.id)
    assert row.revoked_at is not None
    for token in (refresh_token(row), refresh_token(row, row.previous_jti)):
        with pytest.raises(TokenRevoked):
            refreshing(token)()
    assert state_in_redis(session).startswith(b"revoked:")


def test_two_refreshes_rotate_once(stepper, make_session):
    """TOK-06: whatever the order, both are answered and both end with one token."""
    for schedule in schedules(4, 4):
        session = make_session()
        token = refresh_token(session)

        grants = stepper.run((refreshing(token), refreshing(token)), schedule)

        row = Session.objects.get(id=session.id)
        assert row.previous_jti == session.jti, schedule
        assert row.revoked_at is None, schedule
        assert [str(g.refresh) for g in grants] == [refresh_token(row)] * 2, schedule
        for grant in grants:
            services.verify(str(grant.access))


@pytest.mark.parametrize("rotated", [False, True], ids=["new", "rotated"])
def test_after_refresh_and_logout_nothing_is_usable(stepper, make_session, rotated):
    """CONC-04."""
    for schedule in schedules(4, 2):
        session = make_session(rotated=rotated)
        token = refresh_token(session)

        end = partial(services.log_out, token)
        granted, none = stepper.run((refreshing(token), end), schedule)

        assert none is None, schedule
        assert_over(session, granted)


@pytest.mark.parametrize("keep", [False, True])
def test_a_refresh_during_a_change_of_password(stepper, make_session, users, keep):
    """CONC-05: nothing older is usable, but the session to keep continues: another tab
    refreshes between commit and push."""
    stepper.skipped.clear()
    for schedule in schedules(4, 4):
        users.user |= {"session_epoch": 0, "kept_sid": None, "kept_from": None}
        session = make_session()

        change = changing(stepper, users, session, keep)
        granted, ended = stepper.run(
            (refreshing(refresh_token(session)), change), schedule
        )

        if keep:
            assert ended == 0, schedule
            assert services.verify(granted.access.text), schedule
            row = Session.objects.get(id=session.id)
            assert (row.user_epoch, row.revoked_at) == (1, None), schedule
        else:
            assert ended in (0, 1), (schedule, ended)
            assert_over(session, granted)


def test_after_reuse_and_refresh_nothing_is_usable(stepper, make_session):
    """TOK-07: the thief and the owner at once, in either order."""
    for schedule in schedules(3, 5):
        session = make_session(rotated=True)
        age(session, 60)
        owner = refreshing(refresh_token(session))
        thief = refreshing(refresh_token(session, uuid.uuid4()))

        granted, refused = stepper.run((owner, thief), schedule)

        assert not isinstance(refused, services.Grant), schedule
        assert_over(session, granted)


def test_a_login_that_verified_the_old_password_dies(stepper, users, trusted_kid):
    """CONC-05: login and password change, whatever the order of their steps: none of
    an older epoch is left when both have been answered."""
    change = changing(stepper, users, Session(user_id=uuid.UUID(users.user["id"])))
    stepper.skipped.clear()
    seen = set()
    for schedule in schedules(4, 4):
        Session.objects.all().delete()
        UserEpoch.objects.all().delete()
        users.user["session_epoch"] = 0

        grant, _ = stepper.run(
            (lambda: logins.log_in(CREDENTIALS, CLIENT), change), schedule
        )

        session = Session.objects.first()
        if session is None:
            assert isinstance(grant, DependencyUnavailable), (schedule, grant)
            seen.add("behind")
            continue
        seen.add(session.user_epoch)
        if session.user_epoch == 0:
            assert_over(session, grant)
        else:
            assert refreshing(str(grant.refresh))(), schedule
        forget(session)
    assert seen == {0, 1, "behind"}


def test_a_thief_who_logs_out_all_others_does_not_outlive_a_change_of_password(
    stepper, make_session, users
):
    """Lifting whatever a push names would revive the thief's session."""
    for schedule in schedules(4, 4):
        users.user |= {"session_epoch": 0, "kept_sid": None, "kept_from": None}
        mine, theirs = make_session(), make_session()
        thief = TokenUser(theirs.user_id, theirs.id, "", "", ())

        def log_out_all(thief=thief):
            stepper.pause("ask")
            return services.log_out_all(thief, keep_current=True)

        stepper.run((changing(stepper, users, mine, keep=True), log_out_all), schedule)

        assert_over(theirs)
