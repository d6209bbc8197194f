"""What the use of links is limited by, and how a reset helps an owner under attack."""

import pytest
from rest_framework.test import APIClient

from shared.limits import ratelimit
from shared.tests.redis_fixtures import redis_unavailable
from tests.accounts.conftest import ADDRESS, BASE
from tests.factories import NEW, PASSWORD, WRONG
from tests.guesses import HERE, THERE, counted, statuses
from users.accounts import links
from users.accounts.models import Purpose

pytestmark = pytest.mark.usefixtures("documented", "ada")


@pytest.fixture
def call():
    """The status of a request from an address."""

    def call(path, address=HERE, **body):
        client = APIClient(headers={"X-Real-IP": address})
        return client.post(f"{BASE}{path}", body).status_code

    return call


@pytest.fixture
def reset(ada, call):
    """Ada sets a new password by a link, at an address."""

    def use(address=HERE):
        ada.refresh_from_db()
        link = links.issue(Purpose.RESET, address=ADDRESS, user=ada)
        body = {"token": links.token_of(link), "new_password": NEW}
        assert call("/password_reset/confirm", address, **body) == 204

    return use


def test_an_address_asks_and_uses_ten_times_an_hour(call, pass_time):
    acts = [
        ("/password_reset", {"email": ADDRESS}),
        ("/verify_email/resend", {"email": "unknown@example.org"}),
        ("/verify_email", {"token": "x", "password": PASSWORD}),
        ("/password_reset/confirm", {"token": "x", "new_password": NEW}),
        ("/change_email/confirm", {"token": "x"}),
        ("/change_email/undo", {"token": "x"}),
    ]
    found = [call(path, **body) for path, body in acts * 2]
    assert found == [202, 202, *[400] * 4, 202, 202, 400, 400, 429, 429]
    assert call("/password_reset", THERE, email=ADDRESS) == 202
    pass_time(3601)
    assert call("/password_reset", email=ADDRESS) == 202


def test_what_is_malformed_costs_nothing(call):
    assert {call("/password_reset", email="x") for _ in range(12)} == {400}
    assert call("/password_reset", email=ADDRESS) == 202


def test_a_password_at_a_link_counts_as_one_of_a_login(ada, call, quick, guess):
    """Links buy no guesses."""
    for _ in range(5):
        link = links.issue(Purpose.VERIFY, address=ADDRESS, user=ada)
        body = {"token": links.token_of(link), "password": WRONG}
        assert call("/verify_email", **body) == 401
    assert guess().status_code == 429  # five failures of the name from this network
    link = links.issue(Purpose.VERIFY, address=ADDRESS, user=ada)
    body = {"token": links.token_of(link), "password": PASSWORD}
    assert call("/verify_email", **body) == 429
    assert call("/verify_email", THERE, **body) == 204  # a 429 costs the link nothing


def test_a_reset_lifts_the_limits_of_the_account(guess, limited, reset):
    limited(LOGIN_LIMIT_ACCOUNT="2/day")
    for address in ("198.51.100.1", "203.0.113.1", "192.0.2.99"):
        guess(address=address)
    assert guess(PASSWORD, address=THERE).status_code == 401
    reset("2001:db8::1")
    assert guess(NEW, address=THERE).status_code == 200


@pytest.mark.parametrize("address", [HERE, "2001:db8::1"])
def test_where_a_link_was_used_the_owner_logs_in_for_a_quarter_of_an_hour(
    guess, limited, reset, pass_time, address
):
    """While strangers use up what others may try, from the same network too."""
    limited(LOGIN_LIMIT_NAME="2/hour", LOGIN_LIMIT_ACCOUNT="2/day")
    reset(address)
    stranger = HERE.replace(".7", ".8") if address == HERE else "2001:db8:0:1::1"
    assert statuses(guess(address=stranger) for _ in range(3)) == [401, 401, 429]
    guess(address=THERE)
    assert guess(NEW, address=stranger).status_code == 429
    assert guess(NEW, address=address).status_code == 200
    pass_time(901)
    assert guess(NEW, address=address).status_code == 429


def test_it_counts_as_a_device_which_has_its_own_limit(guess, limited, reset, quick):
    limited(LOGIN_LIMIT_DEVICE="2/hour", LOGIN_LIMIT_NAME="1/hour")
    reset()
    assert statuses(guess() for _ in range(4)) == [401, 401, 401, 429]


def test_it_helps_at_no_other_account(guess, reset, limited):
    limited(LOGIN_LIMIT_NAME="1/hour")
    reset()
    found = statuses(guess(login="eve@example.org") for _ in range(2))
    assert found == [401, 429]


def test_without_redis_a_reset_still_works(reset, guess):
    with redis_unavailable():
        reset()
    ratelimit.breaker.succeeded()
    assert guess(NEW).status_code == 200


def test_the_key_names_no_one(reset):
    reset()
    keys = [key for key in counted() if "reset" in key]
    assert keys == []  # it is no limit, which operators would see as a lock
