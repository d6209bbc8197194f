"""Where a factor is required: trusted devices, enrolment, refresh (LVL-05 to 08)."""

import pytest

from shared.auth import access_tokens
from tests.conftest import (
    claims_of,
    cookie_of,
    log_in,
    outcome,
    post,
    refresh,
    refresh_token,
    signed_in,
)
from tests.logins.test_second_factors import REQUIRED, START_OVER
from tokens.models import PendingLogin, Session

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("trusted_kid")]


# --- Trusted devices and enrolment --------------------------------------------------


def test_a_trusted_device_stands_in_for_the_factor(users):
    """LVL-05: the level stays that of a password."""
    users.methods = ["totp", "recovery_code"]
    users.trusted = users.required = True

    answer = log_in()

    claims = claims_of(answer)
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd", "rba"])
    assert refresh(cookie_of(answer)).status_code == 200


@pytest.mark.parametrize("trusted", [False, True])
def test_without_the_factor_that_must_be_there_a_login_leads_to_enrolment(
    users, trusted
):
    users.required, users.trusted = True, trusted

    answer = log_in()

    assert outcome(answer) == REQUIRED
    problem = answer.json()
    assert (problem["enrol"], problem["factors"]) == (True, [])
    assert not answer.cookies
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("device", "token", "expected"),
    [
        ("d:1:s", None, 200),
        ("", "a-link", 200),
        ("d:9:s", None, 202),
        ("", "wrong", 400),
    ],
)
def test_enrolment_needs_more_than_the_password(users, device, token, expected):
    """LVL-08: or a leaked password would enrol first."""
    users.required = True
    login = log_in().json()["login"]
    body = {"login": login} | ({"token": token} if token else {})

    answer = post("login/enrol", data=body, Cookie=f"device={device}")

    assert answer.status_code == expected
    assert not answer.cookies
    assert not Session.objects.exists()
    if expected == 200:
        claims = access_tokens.decode(answer.json()["enrol_token"], "enrol")
        assert claims["sub"] == users.user["id"]
        assert claims["sid"] == str(PendingLogin.objects.get().id)
        assert claims["epoch"] == 0
        assert claims["exp"] - claims["iat"] == 600 == answer.json()["expires_in"]
        assert claims["aud"] == "memo:enrol"
        again = post("login/enrol", data=body, Cookie=f"device={device}")
        assert outcome(again) == (409, "login_settled")
    else:
        assert "enrol_token" not in answer.json()
        if expected == 202:  # true as well where no mail goes out
            assert "verify_email/resend" in answer.json()["message"]
        body["token"] = "a-link"
        assert post("login/enrol", data=body).status_code == 200


def test_an_enrolment_is_void_with_its_epoch(users):
    users.required = True
    login = log_in().json()["login"]
    users.user["session_epoch"] = 1
    body = {"login": login, "token": "a-link"}
    assert outcome(post("login/enrol", data=body)) == START_OVER


# --- The policy at refresh ----------------------------------------------------------


@pytest.mark.parametrize(
    ("amr", "acr", "continues"),
    [
        ("pwd", "aal1", False),
        ("pwd rba", "aal1", True),
        ("pwd otp mfa", "aal2", True),
        ("hwk user mfa", "aal2", True),
    ],
)
def test_a_factor_that_became_required_stops_weaker_sessions(
    make_session, users, amr, acr, continues
):
    """LVL-07: nothing is changed, so the session can step up, or continue where the
    policy is withdrawn."""
    session = make_session(amr=amr, acr=acr)
    token = refresh_token(session)
    users.required = True

    answer = refresh(token)

    if continues:
        assert answer.status_code == 200
        claims = claims_of(answer)
        assert (claims["acr"], claims["amr"]) == (acr, amr.split())
        return
    assert outcome(answer) == (401, "insufficient_user_authentication")
    assert 'acr_values="aal2"' in answer["WWW-Authenticate"]
    assert not answer.cookies
    row = Session.objects.get()
    assert (row.jti, row.revoked_at) == (session.jti, None)
    users.required = False
    assert refresh(token).status_code == 200


def test_a_session_that_was_kept_steps_up_though_its_push_was_lost(session, users):
    """It is not rotated, which would correct that; for instance after its user has
    added the first factor."""
    users.raise_epoch(session.id)
    users.methods, users.required = ["totp"], True
    token = refresh_token(session)
    assert outcome(refresh(token)) == (401, "insufficient_user_authentication")
    client = signed_in(session, users)
    login = client.post("/api/v1/auth/step_up/options").json()["login"]

    body = {"login": login, "totp": "123456"}
    assert client.post("/api/v1/auth/step_up", body).status_code == 200

    assert claims_of(refresh(token))["acr"] == "aal2"


def test_the_policy_hides_no_reuse(make_session, users):
    session = make_session(rotated=True)
    users.required = True
    spent = refresh_token(session, "00000000-0000-4000-8000-000000000000")

    assert outcome(refresh(spent)) == (401, "refresh_token_reused")
    within = make_session(rotated=True)
    for token in (refresh_token(within), refresh_token(within, within.previous_jti)):
        found = outcome(refresh(token))
        assert found == (401, "insufficient_user_authentication")
    assert Session.objects.get(id=within.id).revoked_at is None
