"""Factors that are used or changed at once: the database decides."""

import threading
from functools import partial
from uuid import uuid4

import pytest

from shared.api.exceptions import (
    InsufficientUserAuthentication,
    LastFactor,
    SecondFactorInvalid,
    TokenRevoked,
)
from shared.auth.authentication import TokenUser
from shared.auth.enrolment import EnrolmentUser
from tests.factors.conftest import registered
from tests.factors.totp_factors import add_totp, code
from users.factors import changes, recovery_codes, totp
from users.factors.models import Factor, RecoveryCode
from users.factors.verification import FactorProof, verify
from users.limits.guess_limits import Client
from users.models import User

TIMES = 20
HERE = Client("192.0.2.7")
REFUSED = (
    SecondFactorInvalid,
    InsufficientUserAuthentication,
    TokenRevoked,
    LastFactor,
)


@pytest.fixture(autouse=True)
def _threads(at_once, pushes):
    """Real commits."""


def outcome(act, *args):
    """What it returns, or the code of its refusal."""
    try:
        return act(*args)
    except REFUSED as exc:
        return exc.default_code


def session(user, acr="aal1"):
    """A caller who has just logged in."""
    login = {"auth_time": 2**40, "acr": acr, "epoch": user.session_epoch}
    return TokenUser(user.pk, uuid4(), "", "", (), **login)


@pytest.fixture
def _together(monkeypatch):
    """Four have read their factor before one of them uses it up."""
    group, spend = threading.Barrier(4), totp.spend

    def wait_for_others(*args):
        group.wait(10)
        return spend(*args)

    monkeypatch.setattr(totp, "spend", wait_for_others)


@pytest.mark.usefixtures("_together")
@pytest.mark.parametrize("kind", ["totp", "recovery_code"])
def test_of_twenty_uses_of_a_code_at_once_one_succeeds(ada, at_once, kind):
    add_totp(ada)
    text = code() if kind == "totp" else recovery_codes.replace(ada.pk)[0]
    proof = FactorProof(**{kind: text})
    use = partial(outcome, verify, ada, proof, HERE, ada.session_epoch)
    found = at_once(*[use] * TIMES)
    assert found.count("second_factor_invalid") == TIMES - 1


def test_of_twenty_confirmations_at_once_one_brings_codes(ada, at_once):
    caller = EnrolmentUser(ada.pk, ada.session_epoch)
    factor, secret = changes.propose_totp(caller, "")
    body = caller, factor.pk, code(secret=secret), HERE
    found = at_once(*[partial(outcome, changes.confirm_totp, *body)] * TIMES)
    assert found.count("token_revoked") == TIMES - 1
    assert RecoveryCode.objects.count() == 10


def test_of_two_first_factors_at_once_the_later_one_needs_the_first(
    ada, at_once, authenticator
):
    """Its session has ended, and had no factor."""
    factor, secret = changes.propose_totp(session(ada), "")
    passkey = registered(ada, authenticator)
    passkey.delete()
    args = session(ada), factor.pk, code(secret=secret), HERE
    found = at_once(
        partial(outcome, changes.confirm_totp, *args),
        partial(outcome, changes.add_passkey, session(ada), passkey, HERE),
    )
    assert found.count("insufficient_user_authentication") == 1
    assert Factor.objects.filter(confirmed_at__isnull=False).count() == 1


def test_of_a_dropped_password_and_a_removed_passkey_one_is_refused(
    ada, at_once, passkey, codes
):
    caller = session(ada, "aal2")
    found = at_once(
        partial(outcome, changes.drop_password, caller),
        partial(outcome, changes.remove, caller, passkey.pk, HERE),
    )
    assert {*found} == {"last_factor", None}
    user = User.objects.get()
    assert user.has_usable_password() or user.factors.exists()


def test_of_two_removals_at_once_one_factor_stays_where_one_is_needed(
    ada, at_once, settings, authenticator
):
    settings.SECOND_FACTOR = "required"
    factors = add_totp(ada), registered(ada, authenticator)
    remove = partial(outcome, changes.remove, session(ada, "aal2"))
    found = at_once(*(partial(remove, each.pk, HERE) for each in factors))
    assert {*found} == {"last_factor", None}
    assert User.objects.get().factors.count() == 1
