"""Stepping up: a session gains a level, or a newer time (RFC 9470)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.conftest import (
    PASSWORD,
    age,
    claims_of,
    outcome,
    refresh,
    refresh_token,
    signed_in,
    state_in_redis,
)
from tokens.models import Event, PendingLogin, Session

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("trusted_kid")]

URL = "/api/v1/auth/step_up"
CODE = {"totp": "123456"}


@pytest.fixture
def client(session, users):
    age(session, 1000)
    return signed_in(session, users)


def begin(client):
    answer = client.post(f"{URL}/options")
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    ("before", "proof", "after"),
    [
        ("pwd", CODE, "pwd otp mfa"),
        ("pwd rba", CODE, "pwd otp mfa"),
        ("pwd otp mfa", CODE, "pwd otp mfa"),
        ("hwk user mfa", CODE, "hwk user otp mfa"),
        ("pwd otp mfa", {"passkey": ...}, "pwd otp hwk user mfa"),
    ],
)
def test_a_factor_raises_the_level(client, session, users, before, proof, after):
    """LVL-07: the row keeps level and time, so later refreshes do too."""
    users.methods = ["totp", "passkey"]
    Session.objects.update(amr=before)
    options = begin(client)
    assert options["factors"] == users.methods
    if "passkey" in proof:
        proof = {"passkey": {"signed": options["passkey"]["challenge"]}}

    answer = client.post(URL, {"login": options["login"], **proof})

    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
    assert not answer.cookies
    row = Session.objects.get()
    assert (row.acr, row.amr, row.jti) == ("aal2", after, session.jti)
    assert state_in_redis(row) == b"active"
    for each in (answer, refresh(refresh_token(session))):
        claims = claims_of(each)
        assert (claims["acr"], claims["amr"]) == ("aal2", after.split())
        assert claims["auth_time"] == int(row.stepped_up_at.timestamp())
        assert claims["auth_time"] >= row.created_at.timestamp() + 999
    event = Event.objects.get(event="authn_step_up")
    assert (event.sid, event.data) == (row.id, {"acr": "aal2"})


def test_its_token_ends_with_the_session(client):
    login, end = begin(client)["login"], timezone.now() + timedelta(seconds=10)
    Session.objects.update(expires_at=end)

    answer = client.post(URL, {"login": login, "password": PASSWORD})

    assert answer.status_code == 200
    assert 0 < answer.json()["expires_in"] <= 10


def test_the_password_of_an_account_without_factors_renews_the_time(client, users):
    options = begin(client)
    assert options["factors"] == ["password"]

    wrong = client.post(URL, {"login": options["login"], "password": "wrong"})
    assert outcome(wrong) == (401, "invalid_credentials")
    answer = client.post(URL, {"login": options["login"], "password": PASSWORD})

    row = Session.objects.get()
    claims = claims_of(answer)
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])
    assert claims["auth_time"] == int(row.stepped_up_at.timestamp())
    assert users.proofs[-1]["sid"] == str(row.id)


def test_after_the_last_factor_the_password_is_no_second_factor(client, session, users):
    """A client that asks for aal2 within five minutes does not get the old level with
    a new time."""
    Session.objects.update(acr="aal2", amr="pwd otp mfa")
    login = begin(client)["login"]

    answer = client.post(URL, {"login": login, "password": PASSWORD})

    for each in (answer, refresh(refresh_token(session))):
        claims = claims_of(each)
        assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])


def test_it_belongs_to_its_session(make_session, users, client):
    """Another session of the user, with an access token of its own, is no use."""
    users.methods = ["totp"]
    login, other = begin(client)["login"], make_session()

    answer = signed_in(other, users).post(URL, {"login": login, **CODE})

    assert outcome(answer) == (401, "token_invalid")
    assert not users.proofs
    assert client.post(URL, {"login": login, **CODE}).status_code == 200
    other.refresh_from_db()
    assert (other.acr, other.stepped_up_at) == ("aal1", None)


@pytest.mark.parametrize("which", ["current", "previous"])
def test_a_kept_session_steps_up_within_the_leeway(make_session, users, which):
    """Though the push was lost, and no refresh rotates, which would correct that."""
    session = make_session(rotated=True)
    jti = session.jti if which == "current" else session.previous_jti
    users.raise_epoch(session.id)
    assert refresh(refresh_token(session, jti)).status_code == 200
    client = signed_in(session, users)

    body = {"login": begin(client)["login"], "password": PASSWORD}
    assert client.post(URL, body).status_code == 200


def test_a_session_that_has_ended_does_not_step_up(client, session, users, monkeypatch):
    """Also where it ends while the factor is verified."""
    users.methods = ["totp"]
    login, verify = begin(client)["login"], users.verify_factor

    def end_meanwhile(user_id, proof):
        Session.objects.revoke(session.id, "logout")
        return verify(user_id, proof)

    monkeypatch.setattr(users, "verify_factor", end_meanwhile)
    answer = client.post(URL, {"login": login, **CODE})
    assert outcome(answer) == (401, "token_invalid")
    assert Session.objects.get().acr == "aal1"
    assert PendingLogin.objects.get().settled_at is None
    assert not Event.objects.filter(event="authn_step_up").exists()

    assert outcome(client.post(f"{URL}/options")) == (401, "token_revoked")
