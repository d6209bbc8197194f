"""Second factors through the gateway: added, and used at a login and a step-up."""

import time

import pytest

from deploy.tests.client import ME, assert_revoked, claims_of, cookie_of, refused
from deploy.tests.factors import AUTH, FactorUser

ALL = ["passkey", "totp", "recovery_code"]


def level(user):
    claims = claims_of(user.access)
    return claims["acr"], claims["amr"]


def test_the_first_factor_ends_weaker_sessions_and_gives_codes(system, third):
    user = FactorUser(system)
    user.register()
    assert user.log_in().ok
    assert level(user) == ("aal1", ["pwd"])
    assert user.factors() == {
        "factors": [],
        "recovery_codes_left": 0,
        "required": False,
        "has_password": True,
    }
    thief = user.elsewhere()
    assert thief.log_in().ok
    assert user.add_totp().ok
    assert_revoked(thief)
    assert user.me().ok
    [factor] = user.factors()["factors"]
    assert (factor["id"], factor["type"]) == (user.ids["totp"], "totp")
    assert len(set(user.codes)) == user.factors()["recovery_codes_left"] == 10

    # More is asked of the session than the password: by the service itself, and by a
    # third one, in the words of RFC 9470.
    for answer in (user.add_passkey(), third.payout(user.access), user.remove("totp")):
        refused(answer, 401, "insufficient_user_authentication")
        assert 'acr_values="aal2"' in answer.one("WWW-Authenticate")
    assert user.step_up("totp").ok
    assert level(user)[0] == "aal2"
    assert third.payout(user.access).ok
    assert user.refresh().ok
    assert third.payout(user.access).ok
    assert user.add_passkey().status_code == 201
    assert {each["type"] for each in user.factors()["factors"]} == {"totp", "passkey"}


@pytest.mark.parametrize(
    ("kind", "amr"),
    [
        ("totp", ["pwd", "otp", "mfa"]),
        ("recovery_code", ["pwd", "otp", "mfa"]),
        ("passkey", ["pwd", "hwk", "user", "mfa"]),
    ],
)
def test_each_factor_completes_a_login_and_a_step_up(protected, third, kind, amr):
    user = protected.elsewhere()
    answer = user.log_in()
    refused(answer, 401, "second_factor_required")
    assert answer.json()["factors"] == ALL
    wrong = user.second_step(answer.json(), totp="000000")
    refused(wrong, 401, "second_factor_invalid")
    assert wrong.json()["tries_left"] == 4
    # No session, no token and no cookie before the last factor.
    assert not answer.all("Set-Cookie")
    assert "access_token" not in answer.text
    assert len(protected.sessions().json()) == 1

    answer = user.log_in_with(kind)
    assert answer.status_code == 200, answer.text
    assert level(user) == ("aal2", amr)
    assert third.payout(user.access).ok
    assert len(protected.sessions().json()) == 2

    before = claims_of(user.access)["auth_time"]
    time.sleep(1.1)
    cookie = user.cookie
    answer = user.step_up(kind)
    assert answer.status_code == 200, answer.text
    assert cookie_of(answer) is None
    assert claims_of(user.access)["auth_time"] > before
    assert user.refresh(cookie).ok


def test_a_user_who_must_have_a_factor_adds_it_before_the_first_session(system):
    """With the device cookie of an earlier login; a password alone does not do, and
    the token for it opens nothing else."""
    user = FactorUser(system)
    user.register()
    assert user.log_in().ok
    user.must_have_a_factor()
    refused(user.refresh(), 401, "insufficient_user_authentication")
    answer = user.elsewhere().log_in()
    refused(answer, 401, "second_factor_required")
    assert (answer.json()["factors"], answer.json()["enrol"]) == ([], True)
    body = {"login": answer.json()["login"]}
    answer = user.elsewhere().post(f"{AUTH}/login/enrol", json=body)
    assert answer.status_code == 202
    assert "token" not in answer.json()

    answer = user.post(
        f"{AUTH}/login/enrol", json={"login": user.first_step()["login"]}
    )
    assert answer.status_code == 200, answer.text
    token = answer.json()["enrol_token"]
    headers = {"Authorization": f"Bearer {token}"}
    for path in (ME, f"{ME}/events", f"{AUTH}/sessions"):
        refused(user.send("GET", path, headers), 401, "token_invalid")
    assert user.add_totp(token).ok
    refused(user.add_totp(token), 401, "token_invalid", "token_revoked")
    assert user.log_in_with("totp").ok
    assert level(user)[0] == "aal2"
    assert user.refresh().ok
    refused(user.remove("totp"), 409, "last_factor")
