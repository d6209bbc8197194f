"""Second factors: a login that continues, and levels of sessions (LVL-01 to LVL-08)."""

import hashlib
from datetime import timedelta

import pytest
from django.db.models import F
from jwt.utils import base64url_decode
from rest_framework.test import APIClient

from tests.conftest import (
    CLIENT,
    access_token,
    claims_of,
    cookie_of,
    log_in,
    outcome,
    post,
    refresh,
    refresh_token,
    signed_in,
    state_in_redis,
)
from tokens.models import Event, PendingLogin, Session
from tokens.pending_logins import TRIES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("trusted_kid")]

REQUIRED = (401, "second_factor_required")
INVALID = (401, "second_factor_invalid")
START_OVER = (401, "token_invalid")
CODE = {"totp": "123456"}


@pytest.fixture
def with_factor(users):
    """The user has a second factor by now."""
    users.methods = ["totp", "recovery_code"]
    return users


def second_factor(login, proof=CODE, cookie=None, **more):
    return post("login/second_factor", cookie, {"login": login, **proof}, **more)


def pending():
    """The text of a login that waits for its factor."""
    answer = log_in()
    assert outcome(answer) == REQUIRED
    return answer.json()["login"]


# --- The second step ----------------------------------------------------------------


def test_before_the_factor_there_is_no_session_no_token_and_no_cookie(with_factor):
    """LVL-01."""
    answer = log_in(**CLIENT)

    assert outcome(answer) == REQUIRED
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    problem = answer.json()
    login = problem.pop("login")
    assert len(login) == 43
    assert problem["expires_in"] == 300
    assert problem["factors"] == ["totp", "recovery_code"]
    assert problem["enrol"] is False
    assert "passkey" not in problem
    assert not answer.cookies
    assert not {"access_token", "token_type"} & problem.keys()
    assert not Session.objects.exists()
    assert not Event.objects.exists()


def assert_opens(answer, amr, before):
    """A session of the second level, for the client of the last step: it replaces the
    one of the cookie."""
    assert answer.status_code == 200
    opened = Session.objects.get(revoked_at=None)
    assert (opened.acr, opened.amr) == ("aal2", amr)
    assert (opened.ip, opened.user_agent) == ("192.0.2.7", "curl/8")
    assert state_in_redis(opened) == b"active"
    assert cookie_of(answer) == refresh_token(opened)
    assert answer.cookies["device"].value == "d:2:s"
    claims = claims_of(answer)
    assert (claims["acr"], claims["amr"]) == ("aal2", amr.split())
    assert claims["auth_time"] == int(opened.created_at.timestamp())
    before.refresh_from_db()
    assert before.revoked_reason == "replaced"
    event = Event.objects.get(event="authn_login_success")
    assert (event.sid, event.data) == (opened.id, {"acr": "aal2"})


def test_the_factor_opens_the_session(with_factor, session):
    """LVL-01."""
    login = pending()
    with_factor.device = "d:2:s"
    cookie = refresh_token(session)

    answer = second_factor(login, CODE | {"trust_device": True}, cookie, **CLIENT)

    assert_opens(answer, "pwd otp mfa", session)
    (proof,) = with_factor.proofs
    client = {"ip": "192.0.2.7", "user_agent": "curl/8"}
    sent = {"device": "", "trust_device": True, "epoch": 0, "client": client}
    assert proof == CODE | sent


def test_a_passkey_signs_the_challenge_of_the_row(with_factor, settings):
    settings.WEBAUTHN_RP_ID = "memo.example"
    with_factor.methods = ["passkey"]
    with_factor.passkeys = [{"id": "a2V5", "transports": ["usb"]}]
    problem = log_in().json()
    challenge = problem["passkey"]["challenge"]
    assert problem["passkey"] == {
        "challenge": challenge,
        "rpId": "memo.example",
        "timeout": 300_000,
        "userVerification": "required",
        "allowCredentials": [
            {"type": "public-key", "id": "a2V5", "transports": ["usb"]}
        ],
    }
    assert len(base64url_decode(challenge)) == 32

    for signed, status in (("another", 401), (challenge, 200)):
        answer = second_factor(problem["login"], {"passkey": {"signed": signed}})
        assert answer.status_code == status
    assert claims_of(answer)["amr"] == ["pwd", "hwk", "user", "mfa"]


def test_there_are_five_tries(with_factor):
    """LVL-02: the sixth is not verified, however right."""
    login = pending()
    for left in (4, 3, 2, 1, 0):
        answer = second_factor(login, {"totp": "000000"})
        assert outcome(answer) == INVALID
        assert answer.json()["tries_left"] == left
        assert not answer.cookies

    assert outcome(second_factor(login)) == START_OVER
    assert len(with_factor.proofs) == TRIES
    assert not Session.objects.exists()


def test_it_is_settled_once(with_factor):
    login = pending()
    assert second_factor(login).status_code == 200

    assert outcome(second_factor(login, {"totp": "654321"})) == (409, "login_settled")
    assert with_factor.codes == {"654321"}
    assert Session.objects.count() == 1


def test_it_expires(with_factor):
    login = pending()
    past = F("expires_at") - timedelta(seconds=300)
    PendingLogin.objects.update(expires_at=past)

    assert outcome(second_factor(login)) == START_OVER
    assert not with_factor.proofs


def test_an_epoch_that_was_raised_meanwhile_starts_it_over(with_factor, audited):
    """LVL-03: as the User Service knows it, and as auth has received it; also after the
    factor was verified."""
    first, second, third = pending(), pending(), pending()
    with_factor.user["session_epoch"] = 1
    assert outcome(second_factor(first)) == START_OVER
    with_factor.user["session_epoch"] = 0
    Session.objects.raise_floors([with_factor.user["id"]], 1)

    assert outcome(second_factor(second)) == START_OVER
    assert [each.event for each in audited()] == ["login_epoch_behind"]
    with_factor.gone = True
    assert outcome(second_factor(third, {"totp": "654321"})) == START_OVER
    assert not Session.objects.exists()


def test_a_login_that_expires_meanwhile_is_no_epoch_behind(
    with_factor, audited, monkeypatch
):
    """Which would be a sign of a database that was restored."""
    login, verify = pending(), with_factor.verify_factor

    def expire(user_id, proof):
        ago = timedelta(seconds=301)
        PendingLogin.objects.update(expires_at=F("expires_at") - ago)
        return verify(user_id, proof)

    monkeypatch.setattr(with_factor, "verify_factor", expire)
    assert outcome(second_factor(login)) == START_OVER
    assert not audited()


def test_an_answer_that_is_lost_costs_a_code_and_no_login(with_factor, monkeypatch):
    """LVL-04: the code is spent, the next one works."""
    login, verify = pending(), with_factor.verify_factor

    def lose(user_id, proof):
        verify(user_id, proof)
        with_factor.down = True
        with_factor.answer()

    monkeypatch.setattr(with_factor, "verify_factor", lose)
    assert outcome(second_factor(login)) == (503, "dependency_unavailable")
    assert not Session.objects.exists()
    monkeypatch.undo()
    monkeypatch.setattr("tokens.logins.users_client", lambda: with_factor)
    with_factor.down = False

    assert outcome(second_factor(login)) == INVALID
    assert second_factor(login, {"totp": "654321"}).status_code == 200


def test_a_step_that_the_gateway_gave_up_costs_a_code_and_no_login(
    with_factor, abandoned
):
    """It opens no session, and the next code works."""
    login = pending()
    url, body = "/api/v1/auth/login/second_factor", {"login": login, **CODE}

    answer = APIClient().post(url, body, **abandoned)

    assert outcome(answer) == (503, "dependency_unavailable")
    assert not Session.objects.exists()
    assert second_factor(login, {"totp": "654321"}).status_code == 200


# --- What a pending login is not ----------------------------------------------------


def test_nothing_is_taken_for_another_thing(with_factor, session, verified):
    """TOK-03: texts of pending logins, access, refresh and enrol tokens."""
    login = pending()
    refreshed, access = refresh_token(session), access_token(session, with_factor)
    with_factor.methods, with_factor.required = [], True
    enrolment = log_in().json()["login"]
    answer = post("login/enrol", data={"login": enrolment, "token": "a-link"})
    enrol = answer.json()["enrol_token"]

    for text in (login, refreshed, enrol):
        assert verified(text).status_code == 401
        client_headers = {"Authorization": f"Bearer {text}"}
        assert post("step_up/options", **client_headers).status_code == 401
    for text in (login, access, enrol):
        assert outcome(refresh(text)) == START_OVER
    for text in (refreshed, access, enrol):
        body = {"login": text[:64], **CODE}
        assert outcome(post("login/second_factor", data=body)) == START_OVER


def test_a_login_of_one_purpose_is_of_no_other(with_factor, session):
    """Nor is that of a passkey alone (PK-07)."""
    client = signed_in(session, with_factor)
    login, passkey = pending(), post("login/passkey/options").json()["login"]
    step_up = client.post("/api/v1/auth/step_up/options").json()["login"]
    with_factor.methods, with_factor.required = [], True
    enrolment = log_in().json()["login"]
    with_factor.methods = ["totp"]

    for text in (step_up, enrolment, passkey):
        assert outcome(second_factor(text)) == START_OVER
    for text in (login, enrolment, passkey):
        answer = client.post("/api/v1/auth/step_up", {"login": text, **CODE})
        assert outcome(answer) == START_OVER
    for text in (login, step_up, passkey):
        body = {"login": text, "token": "a-link"}
        assert outcome(post("login/enrol", data=body)) == START_OVER
    assert not with_factor.proofs


def test_the_table_opens_no_login(with_factor):
    """LVL-06: what a dump has is the digest of a random text."""
    login = pending()
    row = PendingLogin.objects.get()

    assert bytes(row.digest) == hashlib.sha256(login.encode()).digest()
    columns = [str(value) for value in PendingLogin.objects.values_list().get()]
    assert not any(login in value for value in columns)
    for text in (*columns, bytes(row.digest).hex()):
        answer = second_factor(text[:64] or "x")
        assert outcome(answer) == START_OVER
