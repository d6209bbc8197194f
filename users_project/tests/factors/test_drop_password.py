"""MFA-10: accounts that passkeys alone log in to."""

from uuid import uuid4

import pytest
from django.utils import timezone
from webauthn.helpers import bytes_to_base64url

from shared.auth.passkeys import request_options
from shared.tests.authenticator import Authenticator
from tests.factories import EPOCH, PASSWORD
from tests.factors.conftest import ORIGIN, registered
from tests.factors.totp_factors import add_totp
from tests.refusals import assert_refused
from users.factors import recovery_codes
from users.factors.models import Factor, RecoveryCode
from users.models import Event, Mail, User

ME = "/api/v1/users/me"
DROP, FACTORS = f"{ME}/password", f"{ME}/factors"
SID = str(uuid4())
CHALLENGE = b"c" * 32
NOW = timezone.now()


@pytest.fixture
def me(ada, bearer):
    """Ada's client, in a session that was opened with a factor."""
    claims = {"sub": str(ada.pk), "sid": SID, "acr": "aal2"}
    return lambda **other: bearer(**{**claims, **other})


@pytest.fixture
def dropped(ada, me, passkey, codes):
    """Ada, with a passkey, recovery codes and no password."""
    assert me().delete(DROP).status_code == 204
    ada.refresh_from_db()
    return ada


def another_passkey(user):
    return registered(user, Authenticator(ORIGIN, "memo.example"))


def test_it_ends_all_sessions_but_the_callers(
    ada, me, passkey, codes, pushes, on_commit
):
    assert me().get(FACTORS).json()["has_password"] is True
    with on_commit():
        answer = me().delete(DROP)
    assert (answer.status_code, answer.content) == (204, b"")
    user = User.objects.get()
    assert not user.has_usable_password()
    assert user.session_epoch == user.password_epoch == EPOCH + 1
    [push] = pushes
    assert (push["keep_sid"], push["keep_from"]) == (SID, EPOCH)
    events = ["sessions_ended", "authn_password_change", "password_removed"]
    assert [each.event for each in Event.objects.order_by("pk")] == events
    assert [each.kind for each in Mail.objects.all()] == ["password_removed"]
    assert me().get(FACTORS).json()["has_password"] is False


def test_once_it_is_gone_there_is_nothing_to_drop(dropped, me):
    assert_refused(me().delete(DROP), 404, "not_found")
    assert User.objects.get().session_epoch == dropped.session_epoch


def test_passkeys_log_in_and_no_password_does(
    dropped, auth, authenticator, guess, hashes
):
    """It costs what it does for each user without one: `test_verify`."""
    assert_refused(guess(PASSWORD), 401, "invalid_credentials")
    assert len(hashes) == 1
    credential = authenticator.get(request_options(CHALLENGE))
    body = {"challenge": bytes_to_base64url(CHALLENGE), "credential": credential}
    answer = auth.post("/api/v1/users/passkeys/verify", body)
    assert (answer.status_code, answer.json()["sub"]) == (200, str(dropped.pk))


def use_codes(user):
    RecoveryCode.objects.filter(user=user).update(used_at=NOW)


def suspect(user):
    """All passkeys, from now on."""
    Factor.objects.filter(user=user, type="passkey").update(suspect_at=NOW)


PASSKEY = another_passkey
CODES = lambda user: recovery_codes.replace(user.pk)  # noqa: E731
ENOUGH = {"two passkeys": [PASSKEY] * 2, "a passkey and codes": [PASSKEY, CODES]}
TOO_LITTLE = {
    "nothing": [],
    "codes": [CODES],
    "an app and codes": [add_totp, CODES],
    "a passkey": [PASSKEY],
    "a passkey and an app": [PASSKEY, add_totp],
    "a passkey and used codes": [PASSKEY, CODES, use_codes],
    "a suspect passkey and codes": [PASSKEY, suspect, CODES],
    "a suspect passkey and another": [PASSKEY, suspect, PASSKEY],
}


@pytest.mark.parametrize("ways", [*ENOUGH, *TOO_LITTLE])
def test_one_lost_passkey_must_not_be_the_end(ada, me, ways):
    for prepare in (ENOUGH | TOO_LITTLE)[ways]:
        prepare(ada)
    answer = me().delete(DROP)
    assert User.objects.get().has_usable_password() == (ways in TOO_LITTLE)
    if ways in TOO_LITTLE:
        assert_refused(answer, 409, "last_factor")
        assert not Event.objects.exists()


def test_the_last_passkey_stays(dropped, me, passkey):
    """An app is no way in without a password."""
    app, other = add_totp(dropped), another_passkey(dropped)
    assert me().delete(f"{FACTORS}/{other.pk}").status_code == 204
    assert_refused(me().delete(f"{FACTORS}/{passkey.pk}"), 409, "last_factor")
    assert me().delete(f"{FACTORS}/{app.pk}").status_code == 204
    assert Factor.objects.get() == passkey


def test_a_suspect_passkey_is_no_way_in(dropped, me, passkey):
    suspect(dropped)
    other = another_passkey(dropped)
    assert_refused(me().delete(f"{FACTORS}/{other.pk}"), 409, "last_factor")
    assert me().delete(f"{FACTORS}/{passkey.pk}").status_code == 204
