"""Passkeys through the gateway, with an authenticator in software."""

from collections import Counter
from functools import partial

import pytest

from deploy.tests.client import LOGIN, ME, TestUser, at_once, claims_of, code_of
from shared.testing.authenticator import Authenticator

PASSKEYS = f"{ME}/factors/passkeys"
BY_PASSKEY = f"{LOGIN}/passkey"


@pytest.fixture
def authenticator(system):
    return Authenticator(system.gateway_url, "localhost", count=1)


@pytest.fixture
def owner(user, authenticator):
    """A user whose one factor is a passkey. The session that added it continues."""
    asked = user.call("POST", f"{PASSKEYS}/options").json()["passkey"]
    body = {"name": "key", "credential": authenticator.create(asked)}
    added = user.call("POST", PASSKEYS, json=body)
    assert added.status_code == 201, added.text
    assert len(added.json()["recovery_codes"]) == 10
    assert user.me().ok
    return user


def signed(user, authenticator):
    """A login with a passkey that waits, and what its browser would answer."""
    begun = user.post(f"{BY_PASSKEY}/options").json()
    authenticator.count += 1
    credential = authenticator.get(begun["passkey"])
    return {"login": begun["login"], "credential": credential}


def test_a_passkey_alone_is_a_login_of_the_second_level(owner, system, authenticator):
    stranger = TestUser(system)
    answer = stranger.keep(
        stranger.post(BY_PASSKEY, json=signed(stranger, authenticator))
    )

    assert answer.status_code == 200, answer.text
    claims = claims_of(stranger.access)
    assert claims["sub"] == claims_of(owner.access)["sub"]
    assert (claims["acr"], claims["amr"]) == ("aal2", ["hwk", "user", "mfa"])
    assert stranger.me().json()["email"] == owner.email
    assert stranger.refresh().ok


def test_a_passkey_is_the_second_factor_of_a_password(owner, authenticator):
    asked = owner.log_in()
    assert code_of(asked) == "second_factor_required"
    authenticator.count += 1
    proof = {"passkey": authenticator.get(asked.json()["passkey"])}

    answer = owner.post(
        f"{LOGIN}/second_factor", json={"login": asked.json()["login"], **proof}
    )

    assert answer.status_code == 200, answer.text
    claims = claims_of(answer.json()["access_token"])
    assert (claims["acr"], claims["amr"]) == ("aal2", ["pwd", "hwk", "user", "mfa"])


def test_twenty_uses_of_one_assertion_open_one_session(owner, system, authenticator):
    body = signed(owner, authenticator)
    answers = at_once([partial(owner.post, BY_PASSKEY, json=body)] * 20)

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] == 1, statuses
    assert statuses.keys() <= {200, 401, 503}
    codes = {code_of(answer) for answer in answers if answer.status_code == 401}
    assert codes == {"invalid_credentials"}
    rows = "SELECT count(*) FROM tokens_session WHERE user_id = %s AND acr = 'aal2'"
    assert system.query("auth", rows, claims_of(owner.access)["sub"]) == [(1,)]
