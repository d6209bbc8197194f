"""Guessing at the login: addresses, networks, the admin, and what spends nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection
from django.test import Client

from shared import ratelimit
from shared.api.exceptions import Overloaded
from shared.auth import device_cookie, session_state
from tests.factories import PASSWORD, UserFactory
from tests.guesses import (
    HERE,
    THERE,
    WRONG,
    admin_log_in,
    device_of,
    elsewhere,
    events,
    statuses,
)
from users import guess_limits
from users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("documented", "ada")]


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


def test_a_storm_stops_nobody_else(guess, quick):
    """300 failures from 31 addresses, then a right password from a new one."""
    for n in range(300):
        guess(login=f"{n}@example.org", address=elsewhere(n % 31))
    assert guess(PASSWORD, address=elsewhere(99)).status_code == 200


def test_logins_of_strangers_are_limited_and_leave_no_keys(guess, quick):
    """One account logs in from changing addresses; no key outlives its window."""
    answers = [guess(PASSWORD, address=elsewhere(n)) for n in range(40)]
    assert statuses(answers) == [200] * 30 + [429] * 10
    client = session_state.connection()
    lives = [client.ttl(key) for key in client.scan_iter(f"{ratelimit.prefix()}:*")]
    assert min(lives) > 0
    # Of the 40 addresses nothing stays for more than an hour; of the account two keys.
    assert len([life for life in lives if life > 3600]) <= 2
    device = answers[0].json()["device"]
    assert guess(PASSWORD, device=device).status_code == 200


# What spends nothing


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("right", [False, True], ids=["wrong", "right"])
def test_of_a_hundred_at_once_five_are_looked_at(guess, quick, monkeypatch, right):
    """BF-02, CONC-03."""
    monkeypatch.setattr(guess_limits.LoginAttempt, "succeed", lambda *args: None)
    start = threading.Barrier(100)

    def go(_):
        start.wait()
        try:
            return int(guess(PASSWORD if right else WRONG).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(100) as pool:
        found = sorted(pool.map(go, range(100)))
    passed, busy = found.count(200 if right else 401), found.count(503)
    assert passed + busy + found.count(429) == 100
    assert len(quick) == passed <= 5 <= passed + busy  # a 503 gives its unit back


def test_a_refusal_spends_nothing(guess, quick, limited):
    """BF-05: a hundred 429s, and the address and the account are as before."""
    for _ in range(100):
        guess()
    assert statuses(guess(login="ada", address=HERE) for _ in range(5)) == [401] * 5
    assert len(quick) == 10
    for n in range(19):
        assert guess(address=elsewhere(n)).status_code == 401
    assert guess(PASSWORD, address=THERE).status_code == 200  # the thirtieth


@pytest.mark.parametrize("error", [Overloaded, OperationalError])
def test_our_trouble_spends_nothing(guess, ada, monkeypatch, error):
    """BF-05."""

    def fail(*args, **kwargs):
        raise error

    device = device_of(ada)
    with monkeypatch.context() as patch:
        patch.setattr(User, "check_password", fail)
        for each in ("", device):
            found = [guess(device=each).status_code for _ in range(40)]
            assert found == [503] * 40
    client = session_state.connection()
    keys = list(client.scan_iter(f"{ratelimit.prefix()}:*"))
    assert {int(client.get(key) or 0) for key in keys} == {0}


def test_what_is_counted_names_nobody(guess, ada):
    """BF-05, LOG-02: digests, and each key has an end."""
    guess()
    guess(device=device_of(ada))
    client = session_state.connection()
    keys = [key.decode() for key in client.scan_iter(f"{ratelimit.prefix()}:*")]
    assert len(keys) == 8
    assert all(0 < client.ttl(key) <= 30 * 86400 for key in keys)
    # A username of three letters may be a part of a digest by chance.
    personal = (ada.email, str(ada.pk), HERE, "192.")
    assert not [text for text in personal if text in "".join(keys)]


def test_guesses_are_audited_without_what_was_typed(guess, caplog):
    """LOG-02."""
    for _ in range(6):
        guess()
    found = [r for r in caplog.records if r.name == "memo.audit"]
    assert events(caplog) == ["authn_login_fail"] * 5 + ["excess_rate_limit_exceeded"]
    assert {r.ip for r in found} == {HERE}
    assert {r.user_agent for r in found} == {"Firefox"}
    assert found[-1].limit == "LOGIN_LIMIT_NAME"
    assert len({r.login for r in found}) == 1
    assert "example.org" not in "".join(str(vars(record)) for record in found)


# The admin


def test_the_admin_has_its_own_device_cookie(ada, quick, settings):
    client = Client()
    assert admin_log_in(ada.email, PASSWORD, client=client).status_code == 302
    cookie = client.cookies[device_cookie.name()]
    assert (cookie["path"], cookie["samesite"]) == ("/admin/", "Strict")
    for _ in range(6):
        last = admin_log_in(ada.email)
    assert last.status_code == 429
    assert last["Content-Type"].startswith("text/html")
    assert "Too many attempts" in last.content.decode()
    client.cookies.pop(settings.SESSION_COOKIE_NAME)
    assert admin_log_in(ada.email, PASSWORD, client=client).status_code == 302


def test_the_admin_tells_no_password_of_users_without_rights(guess, quick, caplog):
    """Right and wrong ones are counted and audited alike: as refusals."""
    UserFactory(email="bob@example.org")
    right = [admin_log_in("bob@example.org", PASSWORD) for _ in range(6)]
    assert statuses(right) == [200] * 5 + [429]
    assert "authn_login_success" not in events(caplog)


@pytest.mark.parametrize("method", ["deactivate", "soft_delete"])
def test_a_right_password_of_a_user_who_is_gone_is_a_failure(
    guess, quick, ada, pushes, method
):
    getattr(ada, method)()
    assert statuses(guess(PASSWORD) for _ in range(6)) == [401] * 5 + [429]


def test_a_lookup_that_fails_spends_nothing(guess, monkeypatch):
    def fail(*args, **kwargs):
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(User.objects.__class__, "find", fail)
        assert guess().status_code == 503
    assert not list(session_state.connection().scan_iter(f"{ratelimit.prefix()}:*"))
