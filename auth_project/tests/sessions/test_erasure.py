"""What the User Service asks about a user's own data: an export, and an erasure."""

import uuid

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
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
from tokens.erasure import erase
from tokens.models import Event, PendingLogin, Session, UserEpoch
from tokens.views import internal

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
# 65,536 sessions like the one that there is.
MULTIPLY = """
INSERT INTO tokens_session (
    id, user_id, user_epoch, jti, created_at, last_used_at, expires_at,
    absolute_expires_at, revoked_at, revoked_reason, user_agent
)
SELECT
    gen_random_uuid(), user_id, user_epoch, jti, created_at, last_used_at, expires_at,
    absolute_expires_at, revoked_at, revoked_reason, user_agent
FROM tokens_session, generate_series(1, 65536)
RETURNING id
"""


@pytest.fixture
def ask(service_client, users):
    """An answer to the User Service about its one user."""
    client = service_client("users")
    base = f"/api/v1/auth/users/{users.user['id']}"
    acts = {"export": client.get, "events": client.get, "erase": client.post}
    return lambda act, **query: acts[act](f"{base}/{act}", query)


def test_an_export_has_every_session_of_the_user_and_no_others(
    make_session, ask, users, monkeypatch
):
    """PRIV-03. Live, ended and expired ones, by two of any number of pages."""
    monkeypatch.setattr(internal, "MOST", 2)
    ended = make_session(user_agent=FIREFOX, ip="203.0.113.77", revoked=True)
    make_session(), make_session(expired=True), make_session(user_id=uuid.uuid4())
    first = ask("export").json()
    second = ask("export", after=first["next"]).json()
    assert (len(first["sessions"]), second["next"]) == (2, None)
    mine = Session.objects.filter(user_id=users.user["id"]).order_by("id")
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


def test_an_erasure_has_any_number_of_sessions(make_session):
    """More than a statement takes parameters, which is 65,535."""
    user_id = make_session(revoked=True).user_id
    with connection.cursor() as cursor:
        cursor.execute(MULTIPLY)
        copies = [sid for (sid,) in cursor]
    try:
        assert erase(user_id) == 65537
    finally:
        session_state.connection().delete(*map(session_state.key, copies))
    assert not Session.objects.exists()


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
