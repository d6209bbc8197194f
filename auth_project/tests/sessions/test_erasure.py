"""What the User Service asks about a user's own data: an export, and an erasure."""

import uuid
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

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
from tests.factories import PendingLoginFactory
from tokens import erasure
from tokens.erasure import erase
from tokens.models import Event, PendingLogin, Session, UserEpoch
from tokens.views import internal

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def ask(service_client, users):
    """An answer to the User Service about its one user."""
    client = service_client("users")
    base = f"/api/v1/auth/users/{users.user['id']}"
    acts = {"stored_sessions": client.get, "events": client.get, "erase": client.post}
    return lambda act, **query: acts[act](f"{base}/{act}", query)


def test_an_export_has_every_session_of_the_user_and_no_others(
    make_session, ask, users, monkeypatch
):
    """PRIV-03. Live, ended and expired ones, by two of any number of pages."""
    monkeypatch.setattr(internal, "MOST", 2)
    ended = make_session(user_agent=FIREFOX, ip="203.0.113.77", revoked=True)
    make_session(), make_session(expired=True), make_session(user_id=uuid.uuid4())
    first = ask("stored_sessions").json()
    second = ask("stored_sessions", after=first["next"]).json()
    assert (len(first["sessions"]), second["next"]) == (2, None)
    mine = Session.objects.filter(user_id=users.user["id"]).order_by("created_at")
    found = first["sessions"] + second["sessions"]
    assert [each["id"] for each in found] == [str(each.pk) for each in mine]
    (row,) = (each for each in found if each["id"] == str(ended.pk))
    assert {name: row[name] for name in row if "_at" not in name} == {
        "id": str(ended.pk),
        "ip": "203.0.113.0/24",
        "device": "Firefox on Linux",
        "user_agent": FIREFOX,
        "acr": "aal1",
        "amr": "pwd",
        "revoked_reason": "logout",
    }
    for name in ("created_at", "last_used_at", "expires_at", "revoked_at"):
        assert row[name] == getattr(ended, name).isoformat().replace("+00:00", "Z")


def test_a_page_of_events_has_the_size_that_is_asked_for(ask, users):
    """An export asks for larger ones."""
    now, columns = timezone.now(), {"user_id": users.user["id"], "event": "user_erased"}
    times = [now - timedelta(seconds=n) for n in range(52)]
    Event.objects.bulk_create(Event(at=at, **columns) for at in times)
    pages = [ask("events", size=size).json() for size in (50, 51, 52)]
    assert [len(page["events"]) for page in pages] == [50, 51, 52]
    assert [page["next"] is None for page in pages] == [False, False, True]
    for size in (49, 1001):
        assert outcome(ask("events", size=size)) == (400, "validation_error")


def test_an_erasure_leaves_no_row_and_no_token_that_works(
    make_session, ask, users, verified
):
    """PRIV-02. Whether Redis knew the session, knows its end, or has forgotten all."""
    live, unknown, ended = make_session(), make_session(), make_session(revoked=True)
    other = make_session(user_id=uuid.uuid4())
    tokens = [access_token(each, users) for each in (live, unknown, ended)]
    assert verified(tokens[0]).status_code == 200
    assert state_in_redis(live) == b"active"
    Session.objects.raise_floors([live.user_id, other.user_id], 7)
    PendingLoginFactory(user_id=live.user_id)
    pending = PendingLoginFactory(user_id=other.user_id)
    for count in (3, 0):  # the second is a repetition
        answer = ask("erase")
        assert (answer.status_code, answer.json()) == (200, {"erased": count})
        assert Session.objects.get() == other
        assert UserEpoch.objects.get().user_id == other.user_id
        assert PendingLogin.objects.get() == pending
        for token in tokens:
            assert outcome(verified(token)) == (401, "token_revoked")
    forget(live)
    assert outcome(verified(tokens[0])) == (401, "token_revoked")
    assert outcome(refresh(refresh_token(live))) == (401, "token_revoked")


def test_an_erasure_that_redis_does_not_know_of_is_not_done(
    session, ask, users, verified
):
    """A row that is gone is not swept: `active` would be believed in another service.
    The session has ended, and the next try deletes it."""
    token = access_token(session, users)
    assert verified(token).status_code == 200
    with redis_down():
        assert outcome(ask("erase")) == (503, "dependency_unavailable")
    session.refresh_from_db()
    assert session.revoked_reason == "erased"
    assert ask("erase").json() == {"erased": 1}
    assert state_in_redis(session) == b"revoked:erased"
    assert outcome(verified(token)) == (401, "token_revoked")


@pytest.fixture
def in_twos(monkeypatch):
    monkeypatch.setattr(erasure, "BATCH", 2)


def test_an_erasure_has_any_number_of_sessions(make_session, in_twos):
    """In batches. Those without an access token that may live need no key in Redis."""
    changed, day_ago = [], {"revoked_at": timezone.now() - timedelta(days=1)}

    def count(execute, sql, *rest):
        answer = execute(sql, *rest)
        if sql.startswith(("UPDATE", "DELETE")) and "tokens_session" in sql:
            changed.append(rest[-1]["cursor"].rowcount)
        return answer

    recent = [*(make_session() for _ in range(3)), make_session(revoked=True)]
    older = [make_session(revoked=True, **day_ago) for _ in range(3)]
    with connection.execute_wrapper(count):
        assert erase(recent[0].user_id) == 7
    assert changed == [2, 1, 2, 2, 2, 1]
    assert not Session.objects.exists()
    assert {state_in_redis(each) for each in recent} == {b"revoked:erased"}
    assert {state_in_redis(each) for each in older} == {None}


def test_an_erasure_continues_after_a_failure(make_session, another_cursor, in_twos):
    """What a try has deleted stays deleted, so that some try is the last one."""
    last, *_ = [make_session(revoked=True) for _ in range(5)]
    PendingLoginFactory(user_id=last.user_id)
    Session.objects.raise_floors([last.user_id], 7)
    lock = "SELECT FROM tokens_session WHERE id = %s FOR UPDATE"
    another_cursor.execute(lock, [last.pk])
    with pytest.raises(OperationalError):
        erase(last.user_id)
    assert Session.objects.get() == last
    assert PendingLogin.objects.exists()
    assert UserEpoch.objects.exists()
    assert not Event.objects.exists()
    another_cursor.connection.rollback()
    assert erase(last.user_id) == 1
    for model in (Session, PendingLogin, UserEpoch):
        assert not model.objects.exists()
    assert Event.objects.get().event == "user_erased"


def test_a_restored_database_forgets_the_same_users(make_session, tmp_path, capsys):
    gone, other = make_session(), make_session(user_id=uuid.uuid4())
    file = tmp_path / "erasures"
    file.write_text(f"{gone.user_id} 2026-01-31T12:00:00+00:00\n{other.user_id}")
    call_command("eraseusers", str(file))
    assert capsys.readouterr().out == "Deleted 1 sessions of erased users.\n"
    assert Session.objects.get() == other  # whose line was cut
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("eraseusers", str(tmp_path / "unknown"))
    file.write_text(f"{other.user_id} 2026-01-31T12:00:00+00:00\n")
    with redis_down(), pytest.raises(CommandError, match="Redis does not answer"):
        call_command("eraseusers", str(file))
    session_state.breaker.succeeded()
