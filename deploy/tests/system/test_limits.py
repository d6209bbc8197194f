"""Guessing, through the gateway, at the limits of the documents.

Clients have addresses of their own: all of 127.0.0.0/8 is this machine.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.cookies import SimpleCookie
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from deploy.tests.admin_site import USERS, Operator
from deploy.tests.client import PASSWORD, TIMEOUT, TestUser, claims_of, code_of
from deploy.tests.stack import System, wait_until

WRONG = "not the password"
LOGIN = "/api/v1/auth/login"
CEILING = 12  # LOGIN_LIMIT_ACCOUNT of settings/limits
numbers = itertools.count(1)


class FromAddress(HTTPAdapter):
    """Connects from an address of this machine."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(pool_maxsize=100)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(self.address, 0))


def elsewhere() -> requests.Session:
    """A client in a network that this run of the stack has not seen."""
    number = next(numbers)
    session = requests.Session()
    session.trust_env = False
    address = f"127.{100 + number // 250}.{number % 250}.1"
    session.mount("http://", FromAddress(address))
    return session


@pytest.fixture(scope="module")
def strict(limits_stack: System) -> Iterator[System]:
    """The stack at these limits, and nothing counted yet."""
    limits_stack.redis().flushall()
    yield limits_stack
    limits_stack.redis().flushall()


@pytest.fixture(scope="module")
def operator(strict: System) -> Operator:
    """An operator of that stack."""
    return Operator(strict)


@pytest.fixture
def ada(strict: System) -> TestUser:
    """A user with an account, at an address of her own."""
    user = TestUser(strict)
    user.http = elsewhere()
    answer = user.register()
    assert answer.status_code == 201, answer.text
    return user


def guess(
    system: System,
    login: str,
    client: Any,
    password: str = WRONG,
    device: str = "",
    **headers: str,
) -> requests.Response:
    url = f"{system.gateway_url}{LOGIN}".replace("localhost", "127.0.0.1")
    name = "email" if "@" in login else "username"
    if device:
        headers["Cookie"] = f"device={device}"
    client.cookies.clear()
    answer: requests.Response = client.post(
        url, json={name: login, "password": password}, headers=headers, timeout=TIMEOUT
    )
    return answer


def device_of(answer: requests.Response) -> str:
    """The device cookie that an answer sets."""
    assert answer.ok, answer.text
    return SimpleCookie(answer.headers["Set-Cookie"])["device"].value.rstrip(",")


def attack(system: System, login: str, times: int) -> Counter[int]:
    """The statuses of so many wrong passwords, each from another network."""
    return Counter(guess(system, login, elsewhere()).status_code for _ in range(times))


def looked_at(system: System) -> int:
    """How many attempts at a password the User Service has answered."""
    answered = r'"route": "api/v1/users/verify", "status": (?:200|401)'
    return len(re.findall(answered, system.log("users")))


def test_of_a_hundred_guesses_at_once_five_are_looked_at(
    ada: TestUser, strict: System
) -> None:
    """BF-01, BF-02, CONC-03: whichever worker they come to."""
    client, before = elsewhere(), looked_at(strict)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: guess(strict, ada.email, client), range(100)))
    statuses = Counter(each.status_code for each in answers)
    for _ in range(5):  # what a 503 gave back
        answer = guess(strict, ada.email, client)
        statuses[answer.status_code] += 1
    assert statuses[401] == 5
    wait_until(lambda: looked_at(strict) - before == 5, 5, "five in the log")
    assert set(statuses) <= {401, 429, 503}
    refused = next(each for each in answers if each.status_code == 429)
    assert code_of(refused) == "rate_limited"
    assert refused.headers["Cache-Control"] == "no-store"
    assert 800 <= int(answer.headers["Retry-After"]) <= 900
    assert guess(strict, ada.email, client, PASSWORD).status_code == 429


def test_all_names_and_doors_of_an_account_count_together(
    strict: System, operator: Operator
) -> None:
    """BF-01, BF-06: by e-mail, by username, at the admin; and no answer tells."""
    username = operator.email.partition("@")[0]
    for _ in range(CEILING // 3):
        assert attack(strict, operator.email, 1) == {401: 1}
        assert attack(strict, username, 1) == {401: 1}
        assert submit(strict, operator.email, WRONG).status_code == 200
    for login in (operator.email, username):
        answer = guess(strict, login, elsewhere(), PASSWORD)
        assert code_of(answer) == "invalid_credentials"
    assert submit(strict, operator.email, PASSWORD).status_code == 200  # the form again
    strict.run("users", "liftlock", username)
    assert submit(strict, operator.email, PASSWORD).status_code == 302


def submit(
    system: System, email: str, password: str, client: Any = None
) -> requests.Response:
    """The answer to the form of the admin's login."""
    client = client or elsewhere()
    url = f"{system.gateway_url}/admin/login/".replace("localhost", "127.0.0.1")
    token = re.search(
        r'csrfmiddlewaretoken" value="(\w+)"', client.get(url, timeout=TIMEOUT).text
    )
    assert token
    form = {"username": email, "password": password, "next": "/admin/"}
    answer: requests.Response = client.post(
        url,
        data={**form, "csrfmiddlewaretoken": token[1]},
        timeout=TIMEOUT,
        allow_redirects=False,
    )
    return answer


def test_a_known_device_logs_in_under_attack(ada: TestUser, strict: System) -> None:
    """BF-04."""
    device = device_of(ada.log_in())
    assert attack(strict, ada.email, 2 * CEILING) == {401: 2 * CEILING}
    assert guess(strict, ada.email, elsewhere(), PASSWORD).status_code == 401
    assert ada.me().ok
    assert ada.refresh().ok

    answer = guess(strict, ada.email, elsewhere(), PASSWORD, device)

    assert answer.ok
    # Which forgets the failures of the account.
    assert guess(strict, ada.email, elsewhere(), PASSWORD).ok


def test_a_change_of_the_password_voids_all_devices_but_gives_one(
    ada: TestUser, strict: System
) -> None:
    """Devices of the old password are strangers to the new one."""
    device = device_of(ada.log_in())
    new = f"newer {PASSWORD}"
    fresh = ada.change_password(new)
    assert fresh.status_code == 204
    text = SimpleCookie(fresh.headers["Set-Cookie"])["device"].value
    for _ in range(CEILING):
        guess(strict, ada.email, elsewhere(), WRONG, device)
    assert guess(strict, ada.email, elsewhere(), new, device).status_code == 401
    assert guess(strict, ada.email, elsewhere(), new, text).ok


def test_a_limit_does_not_tell_which_names_exist(ada: TestUser, strict: System) -> None:
    """BF-04: status, headers and body, but for the request's id and the time."""

    def story(login: str) -> list[Any]:
        client = elsewhere()
        return [what_is_told(guess(strict, login, client)) for _ in range(7)]

    known, unknown = story(ada.email), story(f"nobody-{ada.email}")
    assert [told[0] for told in known] == [401] * 5 + [429] * 2
    assert known == unknown


def what_is_told(answer: requests.Response) -> tuple[int, dict[str, Any], Any]:
    body = {k: v for k, v in answer.json().items() if k != "request_id"}
    varying = {"X-Request-ID", "Date", "Retry-After"}
    return answer.status_code, body, set(answer.headers) - varying


def test_an_address_cannot_be_made_up(ada: TestUser, strict: System) -> None:
    """BF-03."""
    client = elsewhere()
    statuses = []
    for n in range(8):
        made_up = f"198.51.{n}.1"
        headers = {
            "X-Forwarded-For": made_up,
            "X-Real-IP": made_up,
            "Forwarded": f"for={made_up}",
        }
        answer = guess(strict, ada.email, client, **headers)
        statuses.append(answer.status_code)
    assert statuses == [401] * 5 + [429] * 3


def test_a_storm_stops_nobody_else(ada: TestUser, strict: System) -> None:
    """300 wrong passwords from 31 addresses at once, and a right one from another."""
    clients = [elsewhere() for _ in range(31)]

    def go(n: int) -> int:
        login = f"storm{n}@example.org"
        return guess(strict, login, clients[n % 31]).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = Counter(pool.map(go, range(300)))
    assert set(statuses) <= {401, 503}
    assert guess(strict, ada.email, elsewhere(), PASSWORD).ok


def test_registrations_are_limited_by_address_alone(strict: System) -> None:
    """REG-03."""

    def register(client: Any) -> requests.Response:
        user = TestUser(strict)
        user.http = client
        return user.register()

    client = elsewhere()
    answers = [register(client) for _ in range(7)]
    assert [each.status_code for each in answers] == [201] * 5 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 3500
    assert register(elsewhere()).status_code == 201


def test_a_stolen_token_guesses_for_its_own_session(
    ada: TestUser, strict: System
) -> None:
    """BF-06, PWD-08."""
    thief, new = TestUser(strict, ada.name), f"newer {PASSWORD}"
    assert thief.log_in().ok
    assert ada.log_in().ok
    answers = [thief.change_password(new, WRONG) for _ in range(6)]
    assert [each.status_code for each in answers] == [400] * 5 + [429]
    assert ada.change_password(new).status_code == 204


def test_an_operator_sees_and_lifts_a_limit(
    ada: TestUser, strict: System, operator: Operator
) -> None:
    assert ada.log_in().ok
    attack(strict, ada.email, CEILING)
    assert "LOGIN_LIMIT_ACCOUNT" in strict.run("users", "listlocks", ada.name)
    path = f"{USERS}{claims_of(ada.access)['sub']}/locks/"
    assert "LOGIN_LIMIT_ACCOUNT" in operator.page(path)
    assert guess(strict, ada.email, elsewhere(), PASSWORD).status_code == 401

    page = operator.submit(path, lift="1")

    assert "may be tried again at once" in page
    assert guess(strict, ada.email, elsewhere(), PASSWORD).ok
    assert "0 locks" in strict.run("users", "listlocks", ada.email)


def test_a_restart_of_the_services_forgets_nothing(
    ada: TestUser, strict: System
) -> None:
    client = elsewhere()
    for _ in range(5):
        guess(strict, ada.email, client)
    strict.run("restart", "users")
    assert guess(strict, ada.email, client, PASSWORD).status_code == 429


def test_what_is_counted_names_nobody(ada: TestUser, strict: System) -> None:
    """BF-05, LOG-02."""
    guess(strict, ada.email, ada.http)
    client = strict.redis()
    keys = [key for key in client.scan_iter(count=1000) if ":limit:" in key]
    assert len(keys) > 4
    assert all(0 < client.ttl(key) <= 30 * 86400 for key in keys)
    assert not [key for key in keys if ada.name in key or "127." in key]
    assert {key.split(":")[0] for key in keys} == {"users"}


def test_our_trouble_spends_nothing(ada: TestUser, strict: System) -> None:
    """BF-05."""
    client = elsewhere()
    with strict.stopped("users-db"):
        statuses = {guess(strict, ada.email, client).status_code for _ in range(8)}
        assert statuses == {503}
    again = partial(guess, strict, ada.email, client, PASSWORD)
    wait_until(lambda: again().ok, 10, "a login")


def test_without_redis_guesses_are_limited_and_devices_log_in(
    ada: TestUser, strict: System
) -> None:
    """FAIL-01: knocking Redis out buys no guesses, and locks nobody else out."""
    device, client = device_of(ada.log_in()), elsewhere()
    with strict.stopped("redis"):
        before = looked_at(strict)
        with ThreadPoolExecutor(20) as pool:
            answers = list(
                pool.map(lambda _: guess(strict, ada.email, client), range(40))
            )
        assert {each.status_code for each in answers} <= {401, 429, 503}
        assert looked_at(strict) - before <= 5
        assert guess(strict, ada.email, elsewhere(), PASSWORD, device).ok
        assert ada.refresh().ok
        assert ada.me().ok
    # Redis starts empty, once the services ask it again.
    begins = partial(guess, strict, ada.email, client, PASSWORD)
    wait_until(lambda: begins().ok, 15, "a new count")


def test_a_full_redis_buys_no_guesses_and_locks_no_owner_out(
    ada: TestUser, strict: System
) -> None:
    """A hundred wrong passwords at maxmemory; then the owner's device."""
    device, client = device_of(ada.log_in()), elsewhere()
    admin = strict.redis()
    before = admin.config_get("maxmemory")["maxmemory"]
    admin.config_set("maxmemory", "1")
    try:
        statuses = Counter(
            guess(strict, ada.email, client).status_code for _ in range(20)
        )
        assert statuses[401] <= 5
        attack(strict, ada.email, 80)
        assert guess(strict, ada.email, elsewhere(), PASSWORD, device).ok
    finally:
        admin.config_set("maxmemory", before)
