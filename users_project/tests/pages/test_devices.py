"""A browser that has logged in to an account is known at the account pages, too."""

import pytest

from shared.auth import device_cookie
from tests.factories import PASSWORD
from tests.guesses import device_of
from users.accounts.models import Purpose
from users.mail.models import Mail

NAME = device_cookie.name()
proving = pytest.mark.parametrize("purpose", [Purpose.VERIFY, Purpose.CHANGE_EMAIL])


def notices():
    return Mail.objects.filter(kind="new_device").count()


@proving
def test_a_device_of_the_api_is_no_new_one(reader, link_for, ada, purpose):
    reader.cookies[NAME] = known = device_of(ada)
    reader.open(link_for(purpose, user=ada))
    answer = reader.send(password=PASSWORD)
    assert answer.status_code == 303
    assert notices() == 0
    [before], [after] = map(device_cookie.devices, (known, answer.cookies[NAME].value))
    assert after == before


@proving
def test_a_new_device_is_mailed_once_and_then_known(reader, link_for, ada, purpose):
    reader.open(link_for(purpose, user=ada))
    cookie = reader.send(password=PASSWORD).cookies[NAME]
    assert notices() == 1
    assert (cookie["path"], cookie["samesite"]) == ("/", "Strict")
    ada.refresh_from_db()
    reader.open(link_for(Purpose.VERIFY, user=ada))
    assert reader.send(password=PASSWORD).status_code == 303
    assert notices() == 1


def test_a_known_device_is_heard_at_a_page_while_the_account_is_attacked(
    reader, link_for, ada, limited, guess
):
    limited(LOGIN_LIMIT_ACCOUNT="1/day")
    guess(login=ada.email)
    reader.open(link_for(Purpose.VERIFY, user=ada))
    assert reader.send(password=PASSWORD).status_code == 401
    reader.cookies[NAME] = device_of(ada)
    assert reader.send(password=PASSWORD).status_code == 303
