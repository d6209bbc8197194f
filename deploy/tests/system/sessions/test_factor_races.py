"""Many uses of one factor at once, through the gateway: one success, one session."""

from collections import Counter
from functools import partial

import pytest

from deploy.tests.client import at_once, code_of
from deploy.tests.factors import PASSKEY_LOGIN, STEP_UP

AT_ONCE = 20
REFUSALS = {
    (401, "second_factor_invalid"),  # the code or the count was used
    (401, "invalid_credentials"),  # so was the passkey of a login without a password
    (401, "token_invalid"),  # the tries of this login are used up
    (409, "login_settled"),
    (503, "overloaded"),
}


def assert_one_success(answers):
    """All others are refused as the documents say; the answer that succeeded."""
    outcomes = Counter(
        (answer.status_code, "" if answer.ok else code_of(answer)) for answer in answers
    )
    assert outcomes[200, ""] == 1, outcomes
    assert outcomes.keys() - {(200, "")} <= REFUSALS, outcomes
    return next(answer for answer in answers if answer.ok)


def one_code(user, kind):
    """One code, and as many logins that wait for one."""
    proof = user.proof(kind, {})
    invitations = [user.first_step() for _ in range(AT_ONCE)]
    return [partial(user.second_step, each, **proof) for each in invitations]


def one_assertion(user):
    """One signature, for one login."""
    user.passkey.count += 1
    invitation = user.first_step()
    proof = user.proof("passkey", invitation)
    return [partial(user.second_step, invitation, **proof)] * AT_ONCE


def one_passkey_login(user):
    """One signature, and no password."""
    user.passkey.count += 1
    return [partial(user.post, PASSKEY_LOGIN, json=user.signed_login())] * AT_ONCE


def one_login(user):
    """One login that waits, and a right factor of its own for each request."""
    invitation = user.first_step()
    proofs = [{"recovery_code": code} for code in user.codes]
    proofs += [user.proof("passkey", invitation) for _ in range(AT_ONCE - len(proofs))]
    return [partial(user.second_step, invitation, **proof) for proof in proofs]


@pytest.mark.parametrize(
    "calls",
    [
        partial(one_code, kind="totp"),
        partial(one_code, kind="recovery_code"),
        one_assertion,
        one_passkey_login,
        one_login,
    ],
    ids=["totp", "recovery_code", "passkey", "passkey alone", "login"],
)
def test_one_of_twenty_uses_opens_a_session(protected, system, calls):
    rows = "SELECT count(*) FROM tokens_session WHERE user_id = %s"
    identifier = protected.me().json()["id"]
    ((before,),) = system.query("auth", rows, identifier)
    codes = protected.factors()["recovery_codes_left"]

    assert_one_success(at_once(calls(protected.elsewhere())))

    assert system.query("auth", rows, identifier) == [(before + 1,)]
    assert len(protected.sessions().json()) == before + 1
    # No more than the tries of one login were spent.
    assert protected.factors()["recovery_codes_left"] >= codes - 5
    assert protected.me().ok


def test_one_of_twenty_step_ups_with_one_code_succeeds(protected):
    user = protected
    code = user.unused_code()
    options = [user.call("POST", f"{STEP_UP}/options").json() for _ in range(AT_ONCE)]
    bodies = [{"login": each["login"], "totp": code} for each in options]
    calls = [partial(user.call, "POST", STEP_UP, json=body) for body in bodies]
    assert_one_success(at_once(calls))
