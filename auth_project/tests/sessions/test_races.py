"""Races with threads and locks, on real PostgreSQL."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection, transaction

from tests.conftest import (
    cookie_of,
    end_others,
    log_in,
    log_out,
    outcome,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens import revocation
from tokens.models import Event, Session, SessionPolicy

pytestmark = pytest.mark.django_db(transaction=True)


def alone(start, act):
    """The act, in a thread with a connection of its own, when all are there."""
    try:
        start.wait(10)
        return act()
    finally:
        connection.close()


def at_once(*acts):
    """The results of acts in as many threads, all starting together."""
    start = threading.Barrier(len(acts))
    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(partial(alone, start), acts))


def test_fifty_refreshes_at_once_are_one_rotation(session, verified):
    """TOK-06: fifty tabs, one successor, and all stay logged in."""
    token = refresh_token(session)

    answers = at_once(*[lambda: refresh(token)] * 50)

    assert [answer.status_code for answer in answers] == [200] * 50
    row = Session.objects.get()
    assert row.previous_jti == session.jti
    assert {cookie_of(answer) for answer in answers} == {refresh_token(row)}
    assert verified(answers[7].data["access_token"]).status_code == 200
    assert refresh(cookie_of(answers[0])).status_code == 200


def test_without_a_leeway_one_of_many_wins_and_the_session_ends(session, settings):
    settings.REFRESH_REUSE_LEEWAY = 0
    token = refresh_token(session)

    answers = at_once(*[lambda: refresh(token)] * 8)

    codes = [outcome(answer)[1] for answer in answers]
    assert codes.count(None) == 1
    assert set(codes) <= {None, "refresh_token_reused", "token_revoked"}
    assert Session.objects.get().revoked_reason == "reuse"


def test_logouts_at_once_all_succeed(session):
    """CONC-06. The one that ends the session is an event."""
    token = refresh_token(session)

    answers = at_once(*[lambda: log_out(token)] * 10)

    assert {(a.status_code, cookie_of(a)) for a in answers} == {(200, "")}
    assert Session.objects.get().revoked_reason == "logout"
    assert Event.objects.filter(event="session_logout").count() == 1


def test_acts_that_lock_many_rows_do_not_deadlock(make_session, settings):
    """CONC-09: sessions are locked in the order of their ids, floors in the order of
    the users, however they are named."""
    settings.MAX_SESSIONS_PER_USER = 2
    ids = [uuid.uuid4() for _ in range(20)]
    rows = [make_session(user_id=user_id) for user_id in ids for _ in range(4)]

    def push(users, epoch, *keep):
        return lambda: revocation.end_sessions_below(users, epoch, "password", *keep)

    at_once(
        *[push(ids, 1, rows[7].id, 0), push(ids[::-1], 2, rows[9].id, 0)] * 3,
        *[lambda: revocation.end_other_sessions(ids[2], rows[4].id)] * 3,
        *[lambda: revocation.end_live_sessions(ids[2])] * 2,
    )

    assert Session.objects.live().count() <= 2


@pytest.mark.parametrize("cap", [1, 10])
def test_thirty_logins_at_once_leave_as_many_as_the_cap(
    make_session, users, settings, verified, cap
):
    settings.MAX_SESSIONS_PER_USER = cap
    for _ in range(3):
        make_session()

    answers = at_once(*[log_in] * 30)

    assert [answer.status_code for answer in answers] == [200] * 30
    rows = Session.objects.order_by("-last_used_at", "-id")
    assert list(Session.objects.live_of(rows[0].user_id)) == list(rows[:cap])
    assert {row.revoked_reason for row in rows[cap:]} == {"session_cap"}
    good = [verified(a.data["access_token"]).status_code for a in answers].count(200)
    assert good == cap
    for row in rows:
        ended = state_in_redis(row) == b"revoked:session_cap"
        assert ended == (row.revoked_at is not None)


def rotate(session):
    return Session.objects.rotate(session.id, session.jti, SessionPolicy(0))


def push(session, epoch, reason, kept=False):
    """The second statement of a push, which may keep the session."""
    keep = (session.id, 0) if kept else ()
    return Session.objects.revoke_below([session.user_id], epoch, reason, *keep)


def wait_until_blocked():
    """Until some connection of this database waits for a lock."""
    end = time.monotonic() + 5
    with connection.cursor() as cursor:
        while time.monotonic() < end:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    pytest.fail("nothing waited")


def behind_a_lock(first, second):
    """The result of `second`, which waited for what `first` had not committed."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            waiting = pool.submit(alone, threading.Barrier(1), second)
            wait_until_blocked()
        return waiting.result(10)


def log_out_row(session):
    return Session.objects.revoke(session.id, "logout")


def cap(session):
    """A login of another device, at a cap of one."""
    return end_others(session.user_id, 1)


# What happens first, what waits for its lock; how many that ends, and why in the end.
WAITS = {
    "push-rotation": (rotate, lambda s: push(s, 1, "pushed"), 1, "pushed"),
    "push-logout": (log_out_row, lambda s: push(s, 1, "pushed"), 0, "logout"),
    "push-push": (lambda s: push(s, 1, "a"), lambda s: push(s, 2, "b"), 0, "a"),
    "keep-rotation": (rotate, lambda s: push(s, 1, "pushed", kept=True), 0, ""),
    "logout-rotation": (rotate, lambda s: [log_out_row(s)], 1, "logout"),
    "push-keep": (lambda s: push(s, 1, "a", True), lambda s: push(s, 2, "b"), 1, "b"),
    "cap-logout": (log_out_row, cap, 0, "logout"),
    # Which session ends was decided before the lock was waited for: the cap holds.
    "cap-rotation": (rotate, cap, 1, "session_cap"),
}


@pytest.mark.parametrize(
    ("first", "second", "count", "reason"), WAITS.values(), ids=WAITS
)
def test_what_waited_for_a_lock_looks_at_the_row_again(
    make_session, first, second, count, reason
):
    session, newer = make_session(), make_session(user_epoch=9)

    ended = behind_a_lock(lambda: first(session), lambda: second(session))

    assert [each.id for each in ended] == [session.id] * count
    row = Session.objects.get(id=session.id)
    assert row.revoked_reason == reason
    assert newer in Session.objects.live()
    if first is rotate:
        assert row.previous_jti == session.jti
        assert row.user_epoch == int(reason == "")


@pytest.mark.parametrize("first", [log_out_row, rotate])
def test_a_rotation_that_waited_for_a_logout_does_not_happen(session, first):
    """Nor one that waited for another rotation."""
    assert behind_a_lock(lambda: first(session), lambda: rotate(session)) is None
    unchanged = Session.objects.get().jti == session.jti
    assert unchanged == (first is log_out_row)


def test_a_login_and_a_push_wait_for_each_other(session):
    """The push holds the user's floor, and the login looks at it again. The push has
    two statements: the second sees the row that the first one waited for."""
    user_id = session.user_id

    def login(epoch):
        return Session.objects.open({"sub": user_id, "session_epoch": epoch}, None, "")

    opened = behind_a_lock(
        lambda: Session.objects.raise_floors([user_id], 2), lambda: login(1)
    )
    assert opened is None
    behind_a_lock(
        lambda: login(2),
        lambda: revocation.end_sessions_below([user_id], 3, "password"),
    )
    assert not Session.objects.live().exists()
