"""Factors that users prove to the Auth Service, once and in time."""

from datetime import timedelta
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone
from webauthn.helpers import bytes_to_base64url

from shared.api.exceptions import TokenInvalid
from shared.auth import device_cookie
from shared.auth.passkeys import request_options
from shared.tests.authenticator import Authenticator
from tests.factories import NEW, PASSWORD, WRONG, UserFactory
from tests.factors.conftest import ORIGIN, registered
from tests.factors.totp_factors import add_totp, code, start_of_step
from tests.guesses import HERE, device_of, statuses
from tests.refusals import assert_refused
from users.accounts import links, reset
from users.accounts.models import Purpose
from users.factors import recovery_codes, verification
from users.factors.models import Factor
from users.factors.verification import FactorProof, verify
from users.limits.guess_limits import Client
from users.models import Event, Mail, User

CLIENT = {"ip": HERE, "user_agent": "Firefox"}


def invalid(answer):
    return assert_refused(answer, 401, "second_factor_invalid")


def test_a_code_is_taken_once_and_says_whose_it_is(ada, prove):
    add_totp(ada)
    taken = code()
    answer = prove(ada, totp=taken)
    assert answer.status_code == 200
    assert answer.json() == {
        **{"sub": str(ada.pk), "email": ada.email, "email_verified": False},
        **{"username": "ada", "roles": [], "amr": ["otp"]},
        "session_epoch": ada.session_epoch,
    }
    assert User.objects.get().last_login is None  # it may have been a step-up
    invalid(prove(ada, totp=taken))


@pytest.mark.parametrize(
    ("steps", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)]
)
def test_clocks_differ_by_one_step(ada, prove, steps, status):
    add_totp(ada)
    start_of_step()
    assert prove(ada, totp=code(steps)).status_code == status


def test_no_code_before_a_used_one_is_taken(ada, prove):
    """Who looked over the shoulder has the older one."""
    add_totp(ada)
    start_of_step()
    assert prove(ada, totp=code()).status_code == 200
    invalid(prove(ada, totp=code(-1)))
    assert prove(ada, totp=code(1)).status_code == 200


def test_a_code_of_another_user_is_wrong(ada, prove, codes):
    add_totp(ada)
    eve = UserFactory()
    add_totp(eve, secret="A" * 32)
    recovery_codes.replace(eve.pk)
    invalid(prove(ada, totp=code(secret="A" * 32)))
    invalid(prove(eve, totp=code()))
    invalid(prove(eve, recovery_code=codes[0]))
    assert recovery_codes.left(ada.pk) == 10


def test_a_factor_that_waits_or_is_gone_opens_nothing(ada, prove):
    factor = add_totp(ada, confirmed=False)
    invalid(prove(ada, totp=code()))
    factor.delete()
    invalid(prove(ada, totp=code()))


@pytest.mark.parametrize("text", ["12345", "1234567", "\uff11" * 6, "abcdef", "-12345"])
def test_what_is_no_code_is_wrong(ada, prove, text):
    add_totp(ada)
    invalid(prove(ada, totp=text))


def test_a_recovery_code_is_taken_once_however_it_is_typed(ada, prove, codes):
    add_totp(ada)
    typed = codes[0].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert prove(ada, recovery_code=typed).json()["amr"] == ["otp"]
    invalid(prove(ada, recovery_code=codes[0]))
    assert recovery_codes.left(ada.pk) == 9
    assert Event.objects.filter(event="recovery_code_used", user_id=ada.pk).exists()
    assert Mail.objects.get().kind == "recovery_code_used"


def test_a_passkey_is_a_factor(ada, passkey, authenticator, prove):
    asked = request_options(b"c" * 32)
    proof = {"passkey": authenticator.get(asked), "challenge": asked["challenge"]}
    assert prove(ada, **proof).json()["amr"] == ["hwk", "user"]
    invalid(prove(ada, **proof))


@pytest.mark.parametrize("act", ["end_sessions", "deactivate", "soft_delete"])
def test_what_has_ended_sessions_starts_over(ada, prove, act):
    add_totp(ada)
    getattr(User.objects.get(), act)()
    now, proof = User.objects.get(), FactorProof(totp=code())
    assert_refused(prove(ada, totp=proof.totp), 401, "token_invalid")
    with pytest.raises(TokenInvalid):
        verify(now, proof, Client(HERE), ada.session_epoch)
    assert Factor.objects.get().last_step == 0  # the code is not used up


def test_a_password_of_before_starts_over_too(ada, prove):
    ada.end_sessions()
    proof = {"password": PASSWORD, "sid": str(uuid4()), "epoch": ada.session_epoch - 1}
    assert_refused(prove(ada, **proof), 401, "token_invalid")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"totp": "123456", "recovery_code": "x"},
        {"passkey": {}},
        {"password": PASSWORD},
        {"passkey": {}, "challenge": "é"},
    ],
)
def test_one_proof_is_needed_with_what_belongs_to_it(ada, prove, body):
    assert_refused(prove(ada, **body), 400, "validation_error")


# Passwords, of users who have no factor


def test_a_password_is_a_proof_without_factors_alone(ada, prove):
    proof = {"password": PASSWORD, "sid": str(uuid4())}
    assert prove(ada, **proof).json()["amr"] == ["pwd"]
    wrong = prove(ada, **{**proof, "password": WRONG})
    assert_refused(wrong, 401, "invalid_credentials")
    add_totp(ada)
    invalid(prove(ada, **proof))


def test_passwords_are_counted_as_at_a_change(ada, prove, documented):
    proof = {"password": WRONG, "sid": str(uuid4())}
    assert statuses(prove(ada, **proof) for _ in range(6)) == [401] * 5 + [429]


# Limits


def test_five_wrong_factors_are_looked_at_and_mailed(ada, prove, documented):
    """MFA-04. A right one is given back, and forgives none of the others."""
    add_totp(ada)
    eve = UserFactory()
    add_totp(eve)
    start_of_step()
    assert statuses(prove(ada, totp="000000") for _ in range(4)) == [401] * 4
    assert prove(ada, totp=code()).status_code == 200
    assert not Mail.objects.exists()
    invalid(prove(ada, totp="000000"))
    assert_refused(prove(ada, totp=code(1)), 429, "rate_limited")
    assert prove(eve, totp=code()).status_code == 200
    assert Mail.objects.get().kind == "factor_guesses"
    assert Event.objects.filter(event="authn_factor_fail").count() == 5


def test_every_fifth_wrong_factor_is_mailed_however_slow(
    ada, prove, documented, pass_time
):
    """MFA-04: a thief of the password must not make 99 guesses without a mail."""

    def mails_after_four():
        assert statuses(prove(ada, totp="000000") for _ in range(4)) == [401] * 4
        pass_time(901)
        return Mail.objects.filter(kind="factor_guesses").count()

    assert [mails_after_four() for _ in range(4)] == [0, 1, 1, 1]
    Mail.objects.update(created_at=timezone.now() - timedelta(days=1))
    assert mails_after_four() == 2


def test_the_last_try_is_mailed_though_it_is_not_the_fifth(ada, prove, limited):
    limited(FACTOR_LIMIT_ACCOUNT="2/day")
    assert statuses(prove(ada, totp="000000") for _ in range(2)) == [401] * 2
    assert Mail.objects.get().kind == "factor_guesses"


def test_a_wrong_factor_counts_though_it_cannot_be_recorded(
    ada, prove, documented, monkeypatch
):
    """MFA-04: otherwise guesses are free while PostgreSQL accepts no rows."""
    add_totp(ada)
    failing = Mock(side_effect=OperationalError)
    monkeypatch.setattr(verification, "record_failure", failing)
    assert statuses(prove(ada, totp="000000") for _ in range(6)) == [503] * 5 + [429]


def test_a_stolen_session_leaves_the_owner_tries(ada, prove, codes, limited):
    """MFA-04, BF-04: a step-up needs no password, so it is counted by session too."""
    limited(PASSWORD_LIMIT_SESSION="2/day", FACTOR_LIMIT_ACCOUNT="4/day")
    add_totp(ada)
    stolen, own = {"sid": str(uuid4())}, {"sid": str(uuid4())}
    tried = statuses(prove(ada, totp="000000", **stolen) for _ in range(5))
    assert tried == [401, 401, 429, 429, 429]
    right = statuses(prove(ada, recovery_code=each, **own) for each in codes[:3])
    assert right == [200] * 3
    again = statuses(prove(ada, recovery_code=codes[0], **own) for _ in range(3))
    assert again == [401] * 3
    assert prove(ada, recovery_code=codes[3]).status_code == 200


def test_a_reset_gives_the_owner_tries_again(
    ada, prove, codes, limited, pass_time, pushes
):
    """ACC-07, MFA-04: once in thirty days, or the mailbox would buy guesses. One that
    has no tries to give back does not count."""
    limited(FACTOR_LIMIT_ACCOUNT="2/60day")
    User.objects.update(email_verified_at=timezone.now())
    add_totp(ada)

    def after_a_thief_and_a_reset(guesses=3):
        tries = statuses(prove(ada, totp="000000") for _ in range(guesses))
        ada.refresh_from_db()
        link = links.issue(Purpose.RESET, address=ada.email_canonical, user=ada)
        reset.confirm(links.token_of(link), NEW, Client(HERE))
        ada.refresh_from_db()
        return tries, prove(ada, recovery_code=codes.pop()).status_code

    assert after_a_thief_and_a_reset(guesses=0) == ([], 200)
    assert after_a_thief_and_a_reset() == ([401, 401, 429], 200)
    assert after_a_thief_and_a_reset() == ([401, 401, 429], 429)
    pass_time(30 * 24 * 3600)
    assert after_a_thief_and_a_reset() == ([429] * 3, 200)


@pytest.mark.parametrize("kind", ["totp", "recovery_code"])
def test_a_second_click_is_no_guess(ada, prove, codes, documented, kind):
    """MFA-04. It stays refused, and neither limits the account nor alarms its owner."""
    add_totp(ada)
    start_of_step()
    proof = {kind: code() if kind == "totp" else codes[0]}
    assert prove(ada, **proof).status_code == 200
    assert statuses(prove(ada, **proof) for _ in range(6)) == [401] * 6
    invalid(prove(ada, **proof))
    assert not Mail.objects.filter(kind="factor_guesses").exists()
    assert statuses(prove(ada, totp="000000") for _ in range(6)) == [401] * 5 + [429]


# What a login leaves to the factor


def test_a_login_with_a_factor_is_none_before_it(ada, guess, prove, codes):
    add_totp(ada)
    User.objects.update(created_at="2026-01-01T00:00Z", last_login="2026-01-01T00:00Z")
    answer = guess(PASSWORD).json()
    assert answer["factors"] == {
        "methods": ["totp", "recovery_code"],
        **{"passkeys": [], "required": False, "trusted": False},
    }
    assert answer["device"] == ""
    assert not Mail.objects.exists()
    before = timezone.now()
    answer = prove(ada, totp=code(), device="", client=CLIENT).json()
    assert device_cookie.find(answer["device"], ada)
    assert Mail.objects.get().kind == "new_device"
    assert User.objects.get().last_login > before


def test_a_user_who_must_have_a_factor_is_not_logged_in_without(ada, guess, settings):
    settings.SECOND_FACTOR = "required"
    device = device_of(ada)
    answer = guess(PASSWORD, device=device).json()
    assert answer["factors"]["required"]
    assert answer["device"] == device
    assert User.objects.get().last_login is None


@pytest.mark.parametrize("trust", [True, False])
def test_a_trusted_device_is_not_asked_again(ada, prove, guess, trust, pushes):
    add_totp(ada)
    device = prove(ada, totp=code(), device="", trust_device=trust).json()["device"]
    User.objects.update(last_login=None)
    answer = guess(PASSWORD, device=device).json()
    assert answer["factors"]["trusted"] is trust
    assert (User.objects.get().last_login is not None) is trust
    User.objects.get().end_sessions()
    assert not guess(PASSWORD, device=device).json()["factors"]["trusted"]


def test_the_methods_of_a_user(ada, auth, authenticator, codes):
    url = f"/api/v1/users/{ada.pk}/factors"
    assert auth.get(url).json() == {
        **{"methods": [], "passkeys": [], "required": False, "has_password": True}
    }
    add_totp(ada)
    factor = registered(ada, authenticator)
    found = auth.get(url).json()
    assert found["methods"] == ["passkey", "totp", "recovery_code"]
    key = bytes_to_base64url(factor.credential_id)
    assert found["passkeys"] == [{"id": key, "transports": factor.transports}]


# Before the password is right


def test_a_wrong_password_tells_nothing_of_factors(
    ada, guess, redis_round_trips, django_assert_num_queries, documented
):
    """MFA-07."""
    plain, required = UserFactory(email="a@x.example"), UserFactory(email="b@x.example")
    add_totp(required)
    registered(required, Authenticator(ORIGIN, "memo.example", count=1))
    recovery_codes.replace(required.pk)
    found = []
    for user in (plain, required):
        del redis_round_trips[:]
        with django_assert_num_queries(2):
            answer = guess(WRONG, login=user.email).json()
        answer.pop("request_id")
        found.append((answer, len(redis_round_trips)))
    assert found[0] == found[1]
