"""The commands of operators, and Django's that mean nothing where no users live."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone
from redis.exceptions import RedisError

from shared.auth import session_state
from tests.conftest import (
    access_token,
    forget,
    outcome,
    redis_down,
    refresh,
    refresh_token,
    state_in_redis,
)
from tests.factories import SessionFactory
from tokens import revocation, sweep
from tokens.models import Session

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(capsys):
    """A command with its arguments as they are typed; what it printed."""

    def call(name, *arguments):
        call_command(name, *map(str, arguments))
        return capsys.readouterr().out

    return call


def test_sessions_of_a_user_who_is_named_in_any_way_are_listed(
    make_session, users, run
):
    live = make_session(user_agent="curl/8.5.0", ip="203.0.113.7")
    make_session(revoked=True)
    make_session(user_id=uuid.uuid4())

    for name in ("id", "email", "username"):
        line, total = run("listsessions", users.user[name]).splitlines()

        assert line.startswith(str(live.id))
        assert line.endswith("203.0.113.7  curl")
        assert total == "1 live session."


@pytest.mark.parametrize("whole", [False, True], ids=["one", "of-a-user"])
def test_sessions_are_ended(make_session, run, users, verified, whole):
    other = {"user_id": uuid.uuid4()} if whole else {}
    here, there = make_session(), make_session(**other)
    make_session(revoked=True)
    token = access_token(here, users)

    if whole:
        assert "Ended 1 session." in run("revokesessions", here.user_id)
    else:
        assert "has ended" in run("revokesession", here.id)

    assert outcome(verified(token)) == (401, "token_revoked")
    assert list(Session.objects.filter(revoked_reason="operator")) == [here]
    assert list(Session.objects.live()) == [there]


@pytest.mark.parametrize("command", ["listsessions", "revokesessions"])
def test_without_the_user_service_an_id_still_works(session, users, run, command):
    users.down = True
    for name in ("ada", "ada@example.org"):
        with pytest.raises(CommandError, match="Use the user's id"):
            run(command, name)
    assert list(Session.objects.live()) == [session]
    assert "1" in run(command, session.user_id)


@pytest.mark.parametrize("command", ["listsessions", "revokesessions"])
def test_a_name_that_is_anothers_id_is_refused(session, users, run, command):
    users.others = [uuid.uuid4()]
    with pytest.raises(CommandError, match="another user's id"):
        run(command, session.user_id)
    assert list(Session.objects.live()) == [session]


def test_sessions_outlive_the_row_of_their_user(session, users, run):
    users.user["id"] = str(uuid.uuid4())
    assert "Ended 1 session." in run("revokesessions", session.user_id)


@pytest.mark.parametrize("words", [["--noinput"], []], ids=["noinput", "yes"])
def test_the_sessions_of_all_users_are_ended_in_batches(
    make_session, run, monkeypatch, words
):
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    """Most of a restored database have ended long ago: no statement looks at more."""
    monkeypatch.setattr(revocation, "BATCH", 2)
    revoke, sizes = Session.objects.revoke_live, []
    for revoked in [False] * 5 + [True] * 10:
        make_session(user_id=uuid.uuid4(), revoked=revoked)

    def counted(ids, reason):
        sizes.append(len(ids))
        return revoke(ids, reason)

    monkeypatch.setattr(Session.objects, "revoke_live", counted)
    assert "Ended 5 sessions." in run("revokesessions", "--all", *words)
    assert not Session.objects.live().exists()
    assert sizes == [2] * 7 + [1]


@pytest.mark.parametrize(
    "words",
    [
        *("listsessions", "listsessions unknown", "revokesession 1"),
        *("revokesessions", "revokesessions bob", "revokesessions --noinput"),
        f"revokesessions --all {uuid.uuid4()}",
        "revokesessions --all",  # asks, and the answer is not "yes"
        *("revokesession {unknown}", "revokesession {revoked}"),
        "revokesession {expired}",
    ],
)
def test_bad_input_ends_nothing(session, make_session, run, monkeypatch, words):
    ids = {name: make_session(**{name: True}).id for name in ("revoked", "expired")}
    for answer in ("", "y", "YES"):
        monkeypatch.setattr("builtins.input", lambda prompt, answer=answer: answer)

        with pytest.raises(CommandError):
            run(*words.format(unknown=uuid.uuid4(), **ids).split())
    assert list(Session.objects.live()) == [session]


# --- After a restore ------------------------------------------------------------------


def test_the_highest_epoch_is_that_of_pushes_logins_and_refreshes(make_session, run):
    assert run("highestepoch") == "0\n"
    make_session(user_epoch=2**40)
    assert run("highestepoch") == f"{2**40}\n"
    for epoch in (2**41, 7):
        Session.objects.raise_floors([uuid.uuid4()], epoch)
    assert run("highestepoch") == f"{2**41}\n"


def test_redis_agrees_with_the_restored_database(make_session, run, users, verified):
    """A session that was opened after the backup has no row; one that has ended since
    lives in it again, and Redis must not go on to say otherwise."""
    live, ended = make_session(), make_session(revoked=True)
    without_row = SessionFactory.build(user_id=live.user_id)
    session_state.mark_revoked({live.id: "logout"}, 300)
    for session in (ended, without_row):
        session_state.mark_active(session.id, 300)
        assert verified(access_token(session, users)).status_code == 200

    run("republishsessions")

    for session in (live, ended, without_row):
        assert state_in_redis(session) is None
    assert verified(access_token(live, users)).status_code == 200
    for session in (ended, without_row):
        answer = verified(access_token(session, users))
        assert outcome(answer) == (401, "token_revoked")
    forget(without_row)


def test_a_redis_that_does_not_answer_is_an_error(run):
    with redis_down(), pytest.raises(RedisError):
        run("republishsessions")


# --- Rows go a day after they expired -----------------------------------------------


DAY = timedelta(days=1)
FLUSH = "flushexpiredsessions"


def expired(ago, **fields):
    return SessionFactory(expires_at=timezone.now() - ago, **fields)


def test_a_row_goes_a_day_after_it_expired(run, trusted_kid):
    """Not before: until then "no row" could not mean "revoked"."""
    gone = expired(DAY + timedelta(minutes=1))
    kept = [
        SessionFactory(),
        SessionFactory(revoked=True),
        expired(timedelta(0)),
        expired(DAY - timedelta(minutes=1)),
    ]

    assert run(FLUSH) == "Deleted 1 expired session.\n"
    assert set(Session.objects.all()) == set(kept)
    assert outcome(refresh(refresh_token(gone))) == (401, "token_expired")


def test_rows_go_in_batches(run, monkeypatch, django_assert_num_queries):
    """The oldest first."""
    rows = [expired(days * DAY) for days in (2, 5, 3, 4, 2, 2, 2, 2, 2)]

    monkeypatch.setattr(sweep, "BATCH", 2)
    assert sweep.purge_batch(Session) == 2
    assert not {rows[1], rows[3]} & set(Session.objects.all())
    monkeypatch.setattr(sweep, "BATCH", 3)
    # Each of three batches is three statements between SAVEPOINT and RELEASE, which are
    # BEGIN and COMMIT outside of a test; the fourth finds nothing to delete.
    with django_assert_num_queries(3 * 5 + 4):
        assert run(FLUSH) == "Deleted 7 expired sessions.\n"


def test_rows_that_another_run_has_locked_are_left_to_it(another_cursor, run):
    expired(2 * DAY)
    locked = expired(3 * DAY)
    lock = "SELECT 1 FROM tokens_session WHERE id = %s FOR UPDATE"
    another_cursor.execute(lock, [locked.id])

    assert run(FLUSH) == "Deleted 1 expired session.\n"
    assert list(Session.objects.all()) == [locked]
    another_cursor.connection.rollback()
    assert run(FLUSH) == "Deleted 1 expired session.\n"


# --- Django's own ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("createsuperuser", {"interactive": False, "username": "x", "email": "x@y.z"}),
        ("changepassword", {"username": "x"}),
    ],
)
def test_users_are_not_made_or_changed_here(command, options, capsys):
    call_command(command, **options)
    assert "User Service" in capsys.readouterr().out
    assert not get_user_model().objects.exists()
