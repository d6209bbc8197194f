"""Factors that users prove to the Auth Service."""

import pytest

from shared.auth import device_cookie
from tests.factories import PASSWORD
from tests.factors.totp_factors import add_totp, code
from tests.guesses import device_of
from users.factors import recovery_codes
from users.models import Event


def test_a_code_is_taken_once_and_says_who_it_was(ada, prove):
    add_totp(ada)
    answer = prove(ada, totp=code())
    assert answer.status_code == 200
    assert answer.json()["sub"] == str(ada.pk)
    assert answer.json()["amr"] == ["otp"]
    assert "device" not in answer.json()
    again = prove(ada, totp=code())
    assert (again.status_code, again.json()["code"]) == (401, "second_factor_invalid")


def test_a_recovery_code_is_taken_once_however_it_is_typed(ada, prove, codes):
    add_totp(ada)
    typed = codes[0].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert prove(ada, recovery_code=typed).status_code == 200
    assert prove(ada, recovery_code=codes[0]).status_code == 401
    assert recovery_codes.left(ada.pk) == 9
    assert Event.objects.filter(event="recovery_code_used", user_id=ada.pk).exists()


@pytest.mark.parametrize("trust", [True, False])
def test_the_device_is_trusted_where_the_user_asks_for_it(ada, prove, trust):
    add_totp(ada)
    answer = prove(ada, totp=code(), device="", trust_device=trust).json()
    assert device_cookie.find(answer["device"], ada)
    assert device_cookie.is_trusted(answer["device"], ada) is trust


def test_a_login_without_factors_is_whole(ada, guess):
    answer = guess(PASSWORD).json()
    assert answer["factors"] == {
        **{"methods": [], "passkeys": []},
        **{"required": False, "trusted": False},
    }
    assert device_cookie.find(answer["device"], ada)


def test_a_login_with_a_factor_leaves_the_rest_to_the_factor(ada, guess, codes):
    add_totp(ada)
    known = device_of(ada)
    answer = guess(PASSWORD, device=known).json()
    assert answer["factors"]["methods"] == ["totp", "recovery_code"]
    assert answer["device"] == known
    ada.refresh_from_db()
    assert ada.last_login is None
