"""Guessing, through the gateway, at the limits of the documents. What each limit counts
is tried in the User Service's own suite.

Clients have addresses of their own: all of 127.0.0.0/8 is this machine.
"""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie

import pytest

from deploy.tests.client import LOGIN, PASSWORD, Response, TestUser, code_of
from deploy.tests.stack import System, wait_until
from deploy.tests.wire import WireClient, any_loopback
from shared.limits.defaults import DEFAULTS

WRONG = "not the password"
CEILING = 12
# The defaults of logins, but for an account, whose limit is to be reached soon.
LIMITS = {
    name: limit.replace("; ", ",")
    for name, limit in DEFAULTS.items()
    if name.startswith("LOGIN_")
} | {"LOGIN_LIMIT_ACCOUNT": f"{CEILING}/day"}


@pytest.fixture(scope="module")
def strict(system):
    """The stack with low limits, and nothing counted yet."""
    with system.with_settings(users=LIMITS):
        system.redis().flushall()
        yield system
    system.redis().flushall()


@pytest.fixture
def ada(strict):
    """A user with an account."""
    user = TestUser(strict)
    assert user.register().status_code == 201
    return user


def guess(
    system: System, login: str, password: str = WRONG, device: str = "", here: str = ""
) -> Response:
    """From this address, or from another network each time."""
    name = "email" if "@" in login else "username"
    headers = {"Cookie": f"device={device}"} if device else {}
    client, body = WireClient(system.gateway_url), {name: login, "password": password}
    return client.ask("POST", LOGIN, headers, json_body=body, source=here)


def device_of(answer: Response) -> str:
    """The device cookie that an answer sets."""
    assert answer.ok, answer.text
    cookies = "; ".join(answer.all("Set-Cookie"))
    return SimpleCookie(cookies)["device"].value


def attack(system: System, login: str, times: int, here: str = "") -> Counter[int]:
    """The statuses of so many wrong passwords: at once from this address, or one by one
    from other networks."""
    with ThreadPoolExecutor(40 if here else 1) as pool:
        tries = [pool.submit(guess, system, login, here=here) for _ in range(times)]
    return Counter(each.result().status_code for each in tries)


def looked_at(system: System) -> int:
    """How many attempts at a password the User Service has answered."""
    answered = r'"route": "api/v1/users/verify", "status": (?:200|401)'
    return len(re.findall(answered, system.log("users")))


def test_of_a_hundred_guesses_at_once_five_are_looked_at(ada, strict):
    """BF-01, BF-02, CONC-03: whichever worker they come to, and a restart of the
    services forgets none of them."""
    here, before = any_loopback(), looked_at(strict)
    statuses = attack(strict, ada.email, 100, here)
    statuses += attack(strict, ada.email, 5, here)  # what a 503 gave back
    wait_until(lambda: looked_at(strict) - before == 5, 5, "five in the log")
    assert statuses[401] <= 5  # of one that came too late, 503 is the answer
    assert set(statuses) <= {401, 429, 503}
    with strict.stopped("users"):
        pass
    refused = guess(strict, ada.email, PASSWORD, here=here)
    assert refused.status_code == 429
    assert code_of(refused) == "rate_limited"
    assert refused.one("Cache-Control") == "no-store"
    assert 800 <= int(refused.one("Retry-After")) <= 900


def test_a_known_device_logs_in_under_attack(ada, strict):
    """BF-04."""
    device = device_of(ada.log_in())
    assert attack(strict, ada.email, 2 * CEILING) == {401: 2 * CEILING}
    assert guess(strict, ada.email, PASSWORD).status_code == 401
    assert ada.me().ok
    assert ada.refresh().ok

    assert guess(strict, ada.email, PASSWORD, device).ok

    # Which forgets the failures of the account.
    assert guess(strict, ada.email, PASSWORD).ok


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda system: system.stopped("redis"), id="stopped"),
        pytest.param(System.full_redis, id="full", marks=pytest.mark.verify),
    ],
)
def test_without_redis_guesses_are_limited_and_devices_log_in(ada, strict, fault):
    """FAIL-01: knocking Redis out, or filling it, buys no guesses, and locks no owner
    out."""
    device, here = device_of(ada.log_in()), any_loopback()
    with fault(strict):
        before = looked_at(strict)
        assert set(attack(strict, ada.email, 40, here)) <= {401, 429, 503}
        assert looked_at(strict) - before <= 5
        attack(strict, ada.email, 2 * CEILING)  # more than the account has
        assert guess(strict, ada.email, PASSWORD, device).ok
        assert ada.refresh().ok
        assert ada.me().ok
    # Redis has counted nothing, once the services ask it again.
    right = lambda: guess(strict, ada.email, PASSWORD, here=here)  # noqa: E731
    wait_until(lambda: right().ok, 15, "a new count")
