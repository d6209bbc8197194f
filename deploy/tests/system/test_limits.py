"""Guessing, through the gateway, at the limits of the documents. What each limit counts
is tried in the User Service's own suite.

Clients have addresses of their own: all of 127.0.0.0/8 is this machine.
"""

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.cookies import SimpleCookie

import pytest

from deploy.tests.admin_site import Operator
from deploy.tests.client import LOGIN, PASSWORD, ApiClient, Response, TestUser, code_of
from deploy.tests.stack import System, wait_until
from deploy.tests.wire import any_loopback

WRONG = "not the password"
CEILING = 12  # LOGIN_LIMIT_ACCOUNT of settings/limits


@pytest.fixture(scope="module")
def strict(limits_stack: System) -> Iterator[System]:
    """The stack at these limits, and nothing counted yet."""
    limits_stack.redis().flushall()
    yield limits_stack
    limits_stack.redis().flushall()


@pytest.fixture
def ada(strict: System) -> TestUser:
    """A user with an account."""
    user = TestUser(strict)
    assert user.register().status_code == 201
    return user


def elsewhere(system: System) -> ApiClient:
    """A client in another network."""
    return ApiClient(system.gateway_url, source=any_loopback())


def guess(
    client: ApiClient, login: str, password: str = WRONG, device: str = ""
) -> Response:
    name = "email" if "@" in login else "username"
    body = {name: login, "password": password}
    headers = {"Cookie": f"device={device}"} if device else {}
    return client.post(LOGIN, json=body, headers=headers)  # type: ignore[return-value]


def device_of(answer: Response) -> str:
    """The device cookie that an answer sets."""
    assert answer.ok, answer.text
    cookies = "; ".join(answer.all("Set-Cookie"))
    return SimpleCookie(cookies)["device"].value


def attack(system: System, login: str, times: int) -> Counter[int]:
    """The statuses of so many wrong passwords, each from another network."""
    clients = [elsewhere(system) for _ in range(times)]
    return Counter(guess(client, login).status_code for client in clients)


def looked_at(system: System) -> int:
    """How many attempts at a password the User Service has answered."""
    answered = r'"route": "api/v1/users/verify", "status": (?:200|401)'
    return len(re.findall(answered, system.log("users")))


def test_of_a_hundred_guesses_at_once_five_are_looked_at(
    ada: TestUser, strict: System
) -> None:
    """BF-01, BF-02, CONC-03: whichever worker they come to, and a restart of the
    services forgets none of them."""
    client, before = elsewhere(strict), looked_at(strict)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: guess(client, ada.email), range(100)))
    answers += [guess(client, ada.email) for _ in range(5)]  # what a 503 gave back
    statuses = Counter(each.status_code for each in answers)
    assert statuses[401] == 5
    wait_until(lambda: looked_at(strict) - before == 5, 5, "five in the log")
    assert set(statuses) <= {401, 429, 503}
    with strict.stopped("users"):
        pass
    refused = guess(client, ada.email, PASSWORD)
    assert refused.status_code == 429
    assert code_of(refused) == "rate_limited"
    assert refused.one("Cache-Control") == "no-store"
    assert 800 <= int(refused.one("Retry-After")) <= 900


def test_all_names_and_doors_of_an_account_count_together(strict: System) -> None:
    """BF-01, BF-06: by e-mail, by username, at the admin; and no answer tells. An
    operator sees the limit, and lifts it."""
    operator = Operator(strict)
    names = (operator.email, operator.name)
    for _ in range(CEILING // 4):
        assert attack(strict, operator.email, 2) == {401: 2}
        assert attack(strict, operator.name, 1) == {401: 1}
        assert not operator.log_in(WRONG).history
    for login in names:
        answer = guess(elsewhere(strict), login, PASSWORD)
        assert code_of(answer) == "invalid_credentials"
    assert not operator.log_in(PASSWORD).history  # the form again
    assert "LOGIN_LIMIT_ACCOUNT" in strict.run("users", "listlocks", operator.name)

    strict.run("users", "liftlock", operator.name)

    assert all(guess(elsewhere(strict), login, PASSWORD).ok for login in names)
    assert operator.log_in(PASSWORD).history


def test_a_known_device_logs_in_under_attack(ada: TestUser, strict: System) -> None:
    """BF-04."""
    device = device_of(ada.log_in())
    assert attack(strict, ada.email, 2 * CEILING) == {401: 2 * CEILING}
    assert guess(elsewhere(strict), ada.email, PASSWORD).status_code == 401
    assert ada.me().ok
    assert ada.refresh().ok

    assert guess(elsewhere(strict), ada.email, PASSWORD, device).ok

    # Which forgets the failures of the account.
    assert guess(elsewhere(strict), ada.email, PASSWORD).ok


def test_without_redis_guesses_are_limited_and_devices_log_in(
    ada: TestUser, strict: System
) -> None:
    """FAIL-01: knocking Redis out buys no guesses, and locks no other user out."""
    device, client = device_of(ada.log_in()), elsewhere(strict)
    with strict.stopped("redis"):
        before = looked_at(strict)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: guess(client, ada.email), range(40)))
        assert {each.status_code for each in answers} <= {401, 429, 503}
        assert looked_at(strict) - before <= 5
        assert guess(elsewhere(strict), ada.email, PASSWORD, device).ok
        assert ada.refresh().ok
        assert ada.me().ok
    # Redis starts empty, once the services ask it again.
    right = partial(guess, client, ada.email, PASSWORD)
    wait_until(lambda: right().ok, 15, "a new count")


def test_a_full_redis_buys_no_guesses_and_locks_no_owner_out(
    ada: TestUser, strict: System
) -> None:
    """At maxmemory: more guesses than the account has, then the owner's device."""
    device, client = device_of(ada.log_in()), elsewhere(strict)
    with strict.full_redis():
        statuses = Counter(guess(client, ada.email).status_code for _ in range(20))
        assert statuses[401] <= 5
        attack(strict, ada.email, 2 * CEILING)
        assert guess(elsewhere(strict), ada.email, PASSWORD, device).ok
