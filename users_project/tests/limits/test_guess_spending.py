"""Guessing at the login: addresses, networks, the admin, and what spends nothing."""

from unittest.mock import Mock

import pytest
from django.db import OperationalError
from django.test import Client

from shared.api.exceptions import Overloaded
from tests.factories import PASSWORD, WRONG, UserFactory
from tests.guesses import (
    HERE,
    THERE,
    admin_log_in,
    counted,
    device_of,
    elsewhere,
    statuses,
)
from users.limits import guess_limits
from users.models import User

pytestmark = pytest.mark.usefixtures("documented", "ada")


# By address and network


def test_an_address_has_thirty_attempts_a_minute_whatever_comes_of_them(
    guess, quick, pass_time
):
    names = [f"{n}@example.org" for n in range(31)]
    assert statuses(guess(login=name) for name in names) == [401] * 30 + [429]
    assert guess(PASSWORD).status_code == 429
    pass_time(61)
    assert statuses(guess(PASSWORD) for _ in range(31)) == [200] * 30 + [429]


@pytest.mark.parametrize(
    ("address", "another"),
    [
        ("198.51.100.{}", "198.51.101.1"),
        ("2001:db8:0:{:x}::1", "2001:db9::1"),
        ("2001:db8:0:{:x}00::1", "2001:db9::1"),
    ],
    ids=["/24", "/56", "/48"],
)
def test_a_network_that_sprays_is_slowed(guess, quick, limited, address, another):
    """BF-07: an address for every account, of one network. Successes are free."""
    limited(LOGIN_LIMIT_NETWORK="20/hour")
    for n in range(3):
        assert guess(PASSWORD, address=address.format(n)).status_code == 200
    sprayed = [
        guess(login=f"{n}@example.org", address=address.format(n)) for n in range(25)
    ]
    assert statuses(sprayed) == [401] * 20 + [429] * 5
    assert 3590 <= int(sprayed[-1]["Retry-After"]) <= 3600
    assert guess(PASSWORD, address=another).status_code == 200


def test_logins_of_strangers_are_limited_and_leave_no_keys(guess, quick):
    """One account logs in from changing addresses; no key outlives its window."""
    answers = [guess(PASSWORD, address=elsewhere(n)) for n in range(40)]
    assert statuses(answers) == [200] * 30 + [429] * 10
    lives = [seconds for _, seconds in counted().values()]
    assert min(lives) > 0
    # Of the 40 addresses nothing stays for more than an hour; of the account two keys.
    assert len([life for life in lives if life > 3600]) <= 2
    device = answers[0].json()["device"]
    assert guess(PASSWORD, device=device).status_code == 200


# What spends nothing


@pytest.mark.parametrize("right", [False, True], ids=["wrong", "right"])
def test_of_a_hundred_at_once_five_are_looked_at(
    guess, quick, monkeypatch, at_once, right
):
    """BF-02, CONC-03."""
    monkeypatch.setattr(guess_limits.LoginAttempt, "succeed", lambda *args: None)
    password = PASSWORD if right else WRONG
    found = statuses(at_once(*[lambda: guess(password)] * 100))
    passed, busy = found.count(200 if right else 401), found.count(503)
    assert passed + busy + found.count(429) == 100
    assert len(quick) == passed <= 5 <= passed + busy  # a 503 gives its unit back


def test_a_refusal_spends_nothing(guess, quick):
    """BF-05: a hundred 429s, and the address and the account are as before."""
    for _ in range(100):
        guess()
    assert statuses(guess(login="ada", address=HERE) for _ in range(5)) == [401] * 5
    assert len(quick) == 10
    for n in range(19):
        assert guess(address=elsewhere(n)).status_code == 401
    assert guess(PASSWORD, address=THERE).status_code == 200  # the thirtieth


@pytest.mark.parametrize("error", [Overloaded, OperationalError])
@pytest.mark.parametrize(
    "failing", ["users.models.User.check_password", "users.managers.UserManager.find"]
)
def test_our_trouble_spends_nothing(guess, ada, monkeypatch, error, failing):
    """BF-05."""

    monkeypatch.setattr(failing, Mock(side_effect=error))
    for device in ("", device_of(ada)):
        assert statuses(guess(device=device) for _ in range(12)) == [503] * 12
    assert {count for count, _ in counted().values()} <= {0}


def test_a_wrong_guess_counts_though_it_cannot_be_recorded(
    guess, quick, ada, monkeypatch
):
    """BF-05: otherwise guesses are free while PostgreSQL accepts no rows."""
    failing = Mock(side_effect=OperationalError)
    monkeypatch.setattr(guess_limits, "record_failure", failing)
    device = device_of(ada)
    found = statuses(guess(device=device) for _ in range(16))
    # Then the device counts as unknown, and what was typed has five of its own.
    assert found == [503] * 15 + [429]
    assert statuses([guess(PASSWORD)]) == [429]


def test_what_is_counted_names_no_user(guess, ada):
    """BF-05, LOG-02: digests, and each key has an end."""
    guess()
    guess(device=device_of(ada))
    keys = counted()
    assert len(keys) == 8
    assert all(0 < seconds <= 30 * 86400 for _, seconds in keys.values())
    # A username of three letters may be a part of a digest by chance.
    personal = (ada.email, str(ada.pk), HERE, "192.")
    assert not [text for text in personal if text in "".join(keys)]


def test_guesses_are_audited_without_what_was_typed(guess, audits):
    """LOG-02."""
    admin_log_in("ada@example.org", address=THERE)
    for _ in range(6):
        guess()
    assert audits("event", "ip", "user_agent") == [
        ("authn_login_fail", THERE, ""),
        *[("authn_login_fail", HERE, "Firefox")] * 5,
        ("excess_rate_limit_exceeded", HERE, "Firefox"),
    ]
    found = audits()
    assert found[-1].limit == "LOGIN_LIMIT_NAME"
    assert len({record.login for record in found}) == 1
    assert "example.org" not in "".join(str(vars(record)) for record in found)


# The admin


def test_the_admin_sets_the_device_cookie_too(ada, quick, settings):
    client = Client()
    assert admin_log_in(ada.email, PASSWORD, client=client).status_code == 302
    assert statuses(admin_log_in(ada.email) for _ in range(6)) == [200] * 5 + [429]
    client.cookies.pop(settings.SESSION_COOKIE_NAME)
    assert admin_log_in(ada.email, PASSWORD, client=client).status_code == 302


@pytest.mark.parametrize("act", [User.deactivate, User.soft_delete])
def test_a_right_password_that_opens_nothing_is_a_failure(
    guess, quick, ada, audits, act
):
    """Of an absent user, and in the admin of one without rights there."""
    act(ada)
    assert statuses(guess(PASSWORD) for _ in range(6)) == [401] * 5 + [429]
    bob = UserFactory().email
    found = [admin_log_in(bob, PASSWORD, address=THERE) for _ in range(6)]
    assert statuses(found) == [200] * 5 + [429]
    assert ("authn_login_success",) not in audits("event")
