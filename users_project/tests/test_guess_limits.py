"""Guessing at the login: what an attacker gets, and what a user."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import OperationalError, connection
from django.test import Client

from shared import ratelimit
from shared.api.exceptions import Overloaded
from shared.auth import device_cookie, session_state
from tests.factories import PASSWORD, UserFactory
from tests.guesses import (
    HERE,
    NEW,
    THERE,
    WRONG,
    Guess,
    admin_log_in,
    device_of,
    elsewhere,
    statuses,
)
from tests.refusals import assert_refused
from users import guess_limits
from users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("documented", "ada")]


def events(caplog: Any) -> list[str]:
    return [r.event for r in caplog.records if r.name == "memo.audit"]


# By name


def test_five_failures_of_a_name_from_a_network(
    guess: Guess, quick: list[str], pass_time: Any
) -> None:
    """BF-01, BF-02: the sixth password is not looked at."""
    assert statuses(guess() for _ in range(6)) == [401] * 5 + [429]
    answer = guess(PASSWORD, address="192.0.2.99")
    assert_refused(answer, 429, "rate_limited")
    assert 890 <= int(answer["Retry-After"]) <= 900
    assert len(quick) == 5
    assert guess(PASSWORD, address=THERE).status_code == 200
    pass_time(901)
    assert guess(PASSWORD).status_code == 200


def test_another_spelling_is_the_same_name(guess: Guess, quick: list[str]) -> None:
    for login in ["ADA@example.org", " ada@example.org", "Ada@Example.ORG"] * 2:
        last = guess(login=login)
    assert last.status_code == 429


def test_a_success_gives_its_own_hit_back_and_no_other(
    guess: Guess, quick: list[str]
) -> None:
    """What a name has failed stays: a stranger must not see that the owner came."""
    assert statuses(guess() for _ in range(3)) == [401] * 3
    assert statuses(guess(PASSWORD) for _ in range(3)) == [200] * 3
    assert statuses(guess() for _ in range(3)) == [401] * 2 + [429]


@pytest.mark.parametrize("door", ["api", "admin"])
def test_known_and_unknown_names_are_refused_alike(
    guess: Guess, quick: list[str], limited: Any, door: str
) -> None:
    """BF-04: an address over its limit, and names that logged in there or not exist."""
    limited(LOGIN_LIMIT_ADDRESS="11/minute")
    assert guess(PASSWORD).status_code == 200
    for n in range(10):
        guess(login=f"{n}@example.org")

    def refusal(email: str) -> Any:
        answer = guess(login=email) if door == "api" else admin_log_in(email)
        varying = ("X-Request-ID", "Retry-After")
        kept = {k: v for k, v in answer.headers.items() if k not in varying}
        return answer.status_code, kept

    known, unknown = refusal("ada@example.org"), refusal("nobody@example.org")
    assert known == unknown
    assert known[0] == 429


def test_known_and_unknown_names_fail_alike(
    guess: Guess, quick: list[str], redis_round_trips: list[int]
) -> None:
    """PWD-06: in answers, in hashes and in round trips; beyond each limit too."""

    def story(login: str) -> list[Any]:
        told = []
        for n in range(40):  # the account's limit is 30
            del redis_round_trips[:], quick[:]
            answer = guess(login=login, address=elsewhere(n // 6))
            body = {k: v for k, v in answer.json().items() if k != "request_id"}
            told.append((answer.status_code, body, len(quick), len(redis_round_trips)))
        return told

    known = story("ada@example.org")
    for key in session_state.connection().scan_iter(f"{ratelimit.prefix()}:*"):
        session_state.connection().delete(key)
    assert story("nobody@example.org") == known


# By device


def test_a_device_of_the_account_logs_in_under_attack(
    guess: Guess, quick: list[str], ada: User
) -> None:
    """BF-04: whatever others do, from the same network too."""
    device = guess(PASSWORD).json()["device"]
    for n in range(100):
        guess(address=elsewhere(n))
    for _ in range(6):
        guess()
    assert guess(PASSWORD).status_code == 429
    assert guess(PASSWORD, address=THERE).status_code == 401  # silent
    assert guess(PASSWORD, device=device).status_code == 200
    # Which forgets the failures of the account.
    assert guess(PASSWORD, address=THERE).status_code == 200


def test_devices_of_the_old_password_are_strangers(
    guess: Guess, quick: list[str], bearer: Any, ada: User, limited: Any, caplog: Any
) -> None:
    """40 of them guess the new password 200 times: 30 are looked at."""
    limited(LOGIN_LIMIT_SUCCESS="1000000/minute")
    devices = [
        guess(PASSWORD, address=elsewhere(n)).json()["device"] for n in range(40)
    ]
    body = {"current_password": PASSWORD, "new_password": NEW}
    answer = bearer(sub=str(ada.pk)).post("/api/v1/users/me/change_password", body)
    fresh = answer.cookies[device_cookie.name()].value

    guesses = [
        guess(address=elsewhere(n), device=devices[n])
        for _ in range(5)
        for n in range(40)
    ]

    assert statuses(guesses) == [401] * 200
    assert events(caplog).count("authn_login_fail_max") == 170
    assert guess(PASSWORD, address=elsewhere(99)).status_code == 401
    assert guess(PASSWORD, device=fresh).status_code == 200


def test_logging_out_everywhere_leaves_devices_alone(
    guess: Guess, quick: list[str], ada: User, limited: Any, pushes: Any
) -> None:
    """Else a thief's `logout_all` would void the owner's devices."""
    limited(LOGIN_LIMIT_NAME="1/minute")
    device = guess(PASSWORD).json()["device"]
    ada.end_sessions()
    guess()
    assert guess(PASSWORD).status_code == 429
    assert guess(PASSWORD, device=device).status_code == 200


def test_a_device_keeps_its_id_and_its_count(
    guess: Guess, quick: list[str], ada: User
) -> None:
    first = guess(PASSWORD).json()["device"]
    second = guess(PASSWORD, device=first).json()["device"]
    ids = [device_cookie.devices(text)[0].id for text in (first, second)]
    assert ids[0] == ids[1]
    for _ in range(10):
        guess(device=first)
    # From now on it counts as untrusted, by either text.
    assert statuses(guess(device=second) for _ in range(6)) == [401] * 5 + [429]


def test_a_device_of_another_account_is_a_stranger(
    guess: Guess, quick: list[str]
) -> None:
    eve = UserFactory(email="eve@example.org")
    device = device_of(eve)
    assert statuses(guess(device=device) for _ in range(6)) == [401] * 5 + [429]


# By account


def test_all_names_and_doors_of_an_account_count_together(
    guess: Guess, quick: list[str]
) -> None:
    """BF-01, BF-06. No answer tells that two names belong to one user."""
    said = set()
    for n in range(40):
        address = elsewhere(n)
        for login in ("ada@example.org", "ada"):
            answer = guess(login=login, address=address)
            said.add((answer.status_code, answer.json()["code"]))
        assert admin_log_in("ada@example.org", address=address).status_code == 200
    assert said == {(401, "invalid_credentials")}
    # 30 of the 120 were looked at. Now not even the right one is.
    for login in ("ada@example.org", "ada"):
        assert guess(PASSWORD, login, elsewhere(200)).status_code == 401
    assert admin_log_in("ada@example.org", PASSWORD, elsewhere(201)).status_code == 200
    assert len(User.objects.filter(last_login=None)) == 1


@pytest.mark.parametrize(("before", "status"), [(29, 200), (30, 401)])
def test_the_thirtieth_guess_of_a_day_is_the_last(
    guess: Guess, quick: list[str], before: int, status: int, caplog: Any
) -> None:
    for n in range(before):
        guess(address=elsewhere(n))
    assert guess(PASSWORD, address=THERE).status_code == status
    assert len(quick) == before + 1  # beyond it the work is the same
    assert ("authn_login_fail_max" in events(caplog)) is (status == 401)


def test_fifty_guesses_in_thirty_days(
    guess: Guess, quick: list[str], pass_time: Any, caplog: Any
) -> None:
    """Silent refusals spend nothing of them."""
    for day in range(4):
        for n in range(35):
            guess(address=elsewhere(40 * day + n))
        pass_time(24 * 3600 + 1)
    assert 4 * 35 - events(caplog).count("authn_login_fail_max") == 50
    assert guess(PASSWORD, address=THERE).status_code == 401
    pass_time(26 * 24 * 3600)
    assert guess(PASSWORD, address=THERE).status_code == 200


def test_ninety_nine_guesses_at_the_edge_of_two_windows(
    guess: Guess, quick: list[str], pass_time: Any, caplog: Any, limited: Any
) -> None:
    """NIST SP 800-63B-4, section 3.2.2, allows 100 in a row."""
    limited(LOGIN_LIMIT_ACCOUNT="50/30day")
    guess()
    pass_time(30 * 24 * 3600 - 20)
    for n in range(49):
        guess(address=elsewhere(n))
    pass_time(21)
    for n in range(60):
        guess(address=elsewhere(100 + n))
    later = 49 + 60 - events(caplog).count("authn_login_fail_max")
    assert later == 99  # within a minute, at the end of thirty days


def test_a_stolen_device_has_twenty_guesses_a_day_and_fifty_in_thirty(
    guess: Guess, quick: list[str], ada: User, pass_time: Any, limited: Any
) -> None:
    """What it tries beyond that counts as a stranger's."""
    limited(LOGIN_LIMIT_ADDRESS="1000000/minute", LOGIN_LIMIT_NAME="1/30day")
    device = device_of(ada)
    tried = []
    for _ in range(4):
        within = 0
        for _ in range(3):
            within += sum(guess(device=device).status_code == 401 for _ in range(12))
            pass_time(901)
        tried.append(within)
        pass_time(24 * 3600)
    assert tried == [21, 20, 10, 0]  # one of the first day is the stranger's


def test_a_silent_guess_takes_one_hash_and_renews_none(
    guess: Guess, ada: User, limited: Any
) -> None:
    old = make_password(PASSWORD, hasher="pbkdf2_sha256")
    User.objects.filter(pk=ada.pk).update(password=old)
    limited(LOGIN_LIMIT_ACCOUNT="1/day")
    guess()
    assert guess(PASSWORD).status_code == 401
    ada.refresh_from_db()
    assert ada.password == old


# By address and network


def test_an_address_has_thirty_attempts_a_minute_whatever_comes_of_them(
    guess: Guess, quick: list[str], pass_time: Any
) -> None:
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
def test_a_network_that_sprays_is_slowed(
    guess: Guess, quick: list[str], limited: Any, address: str, another: str
) -> None:
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


def test_a_storm_stops_nobody_else(guess: Guess, quick: list[str]) -> None:
    """300 failures from 31 addresses, then a right password from a new one."""
    for n in range(300):
        guess(login=f"{n}@example.org", address=elsewhere(n % 31))
    assert guess(PASSWORD, address=elsewhere(99)).status_code == 200


def test_logins_of_strangers_are_limited_and_leave_no_keys(
    guess: Guess, quick: list[str]
) -> None:
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
def test_of_a_hundred_at_once_five_are_looked_at(
    guess: Guess, quick: list[str], monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    """BF-02, CONC-03."""
    monkeypatch.setattr(guess_limits.LoginAttempt, "succeed", lambda *args: None)
    start = threading.Barrier(100)

    def go(_: int) -> int:
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


def test_a_refusal_spends_nothing(guess: Guess, quick: list[str], limited: Any) -> None:
    """BF-05: a hundred 429s, and the address and the account are as before."""
    for _ in range(100):
        guess()
    assert statuses(guess(login="ada", address=HERE) for _ in range(5)) == [401] * 5
    assert len(quick) == 10
    for n in range(19):
        assert guess(address=elsewhere(n)).status_code == 401
    assert guess(PASSWORD, address=THERE).status_code == 200  # the thirtieth


@pytest.mark.parametrize("error", [Overloaded, OperationalError])
def test_our_trouble_spends_nothing(
    guess: Guess, ada: User, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    """BF-05."""

    def fail(*args: Any, **kwargs: Any) -> None:
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


def test_what_is_counted_names_nobody(guess: Guess, ada: User) -> None:
    """BF-05, LOG-02: digests, and each key has an end."""
    guess()
    guess(device=device_of(ada))
    client = session_state.connection()
    keys = [key.decode() for key in client.scan_iter(f"{ratelimit.prefix()}:*")]
    assert len(keys) == 8
    assert all(0 < client.ttl(key) <= 30 * 86400 for key in keys)
    told = "".join(keys)
    assert not [text for text in ("ada", str(ada.pk), HERE, "192.") if text in told]


def test_guesses_are_audited_without_what_was_typed(guess: Guess, caplog: Any) -> None:
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


def test_the_admin_has_its_own_device_cookie(
    ada: User, quick: list[str], settings: Any
) -> None:
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


def test_the_admin_tells_no_password_of_users_without_rights(
    guess: Guess, quick: list[str], caplog: Any
) -> None:
    """Right and wrong ones are counted and audited alike: as refusals."""
    UserFactory(email="bob@example.org")
    right = [admin_log_in("bob@example.org", PASSWORD) for _ in range(6)]
    assert statuses(right) == [200] * 5 + [429]
    assert "authn_login_success" not in events(caplog)


@pytest.mark.parametrize("method", ["deactivate", "soft_delete"])
def test_a_right_password_of_a_user_who_is_gone_is_a_failure(
    guess: Guess, quick: list[str], ada: User, pushes: Any, method: str
) -> None:
    getattr(ada, method)()
    assert statuses(guess(PASSWORD) for _ in range(6)) == [401] * 5 + [429]


def test_a_lookup_that_fails_spends_nothing(
    guess: Guess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(User.objects.__class__, "find", fail)
        assert guess().status_code == 503
    assert not list(session_state.connection().scan_iter(f"{ratelimit.prefix()}:*"))
