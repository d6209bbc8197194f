"""Guessing, through the gateway, at the limits of the documents.

Clients have addresses of their own: all of 127.0.0.0/8 is this machine.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from deploy.tests.admin_site import USERS, Operator
from deploy.tests.stack import System, eventually
from deploy.tests.users import PASSWORD, TIMEOUT, Person, claims_of, code_of

WRONG = "not the password"
LOGIN = "/api/v1/auth/login"
CEILING = 12  # LOGIN_LIMIT_PER_ACCOUNT of settings/limits
numbers = itertools.count(1)


class FromAddress(HTTPAdapter):
    """Connects from an address of this machine."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(pool_maxsize=100)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(self.address, 0))


def a_network() -> str:
    """The beginning of addresses that nobody has had in this run of the stack."""
    number = next(numbers)
    return f"127.{100 + number // 250}.{number % 250}"


def client_at(address: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", FromAddress(address))
    return session


def elsewhere() -> requests.Session:
    """A client in a network of its own."""
    return client_at(f"{a_network()}.1")


@pytest.fixture(scope="module")
def strict(limits_stack: System) -> Iterator[System]:
    """The stack at low limits, and nothing counted yet."""
    forget(limits_stack)
    yield limits_stack
    forget(limits_stack)


@pytest.fixture(scope="module")
def operator(strict: System) -> Operator:
    """An operator of that stack."""
    return Operator(strict)


def forget(system: System) -> None:
    """All that was counted."""
    system.redis().flushall()
    system.as_owner("auth", "DELETE FROM tokens_tally")
    system.as_owner("users", "DELETE FROM users_tally")


@pytest.fixture
def ada(strict: System) -> Person:
    """Somebody with an account, at an address of her own."""
    person = Person(strict)
    person.http = elsewhere()
    answer = person.register()
    assert answer.status_code == 201, answer.text
    return person


def guess(
    system: System, login: str, client: Any, password: str = WRONG, **headers: str
) -> requests.Response:
    url = f"{system.gateway_url}{LOGIN}".replace("localhost", "127.0.0.1")
    body = {"email": login, "password": password}
    answer: requests.Response = client.post(
        url, json=body, headers=headers, timeout=TIMEOUT
    )
    return answer


def asked(system: System) -> int:
    """How many passwords the User Service has looked at."""
    answered = r'"route": "api/v1/users/verify", "status": (?:200|401)'
    return len(re.findall(answered, system.log("users")))


def test_of_a_hundred_guesses_at_once_five_are_looked_at(
    ada: Person, strict: System
) -> None:
    """BF-01, BF-02, CONC-03: whichever worker they come to."""
    client, before = elsewhere(), asked(strict)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: guess(strict, ada.email, client), range(100)))
    statuses = Counter(each.status_code for each in answers)
    while (answer := guess(strict, ada.email, client)).status_code != 429:
        statuses[answer.status_code] += 1  # what a 503 gave back
    assert statuses[401] == 5
    eventually(lambda: asked(strict) - before == 5, 5, "five in the log")
    assert set(statuses) <= {401, 429, 503}  # no place among those that log in
    refused = next(each for each in answers if each.status_code == 429)
    assert code_of(refused) == "rate_limited"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Cache-Control"] == "no-store"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert guess(strict, ada.email, client, PASSWORD).status_code == 429


def test_an_attacker_elsewhere_locks_nobody_out(ada: Person, strict: System) -> None:
    """BF-04."""
    assert ada.log_in().ok
    for _ in range(4):
        attacker = elsewhere()
        for _ in range(6):
            guess(strict, ada.email, attacker)
    # The ceiling is reached: not even the right password from an unknown address.
    stranger = elsewhere()
    refused = guess(strict, ada.email, stranger, PASSWORD)
    assert refused.status_code == 429
    assert 3500 <= int(refused.headers["Retry-After"]) <= 3600

    assert ada.me().ok
    assert ada.refresh().ok
    assert ada.log_in().ok
    # Which forgets the failures: from elsewhere it works again, too.
    assert guess(strict, ada.email, stranger, PASSWORD).ok


def test_a_limit_does_not_tell_who_is_there(ada: Person, strict: System) -> None:
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


def test_an_address_cannot_be_made_up(ada: Person, strict: System) -> None:
    """BF-03."""
    client = elsewhere()
    statuses = []
    for n in range(8):
        made_up = f"198.51.100.{n}"
        headers = {
            "X-Forwarded-For": made_up,
            "X-Real-IP": made_up,
            "Forwarded": f"for={made_up}",
        }
        answer = guess(strict, ada.email, client, **headers)
        statuses.append(answer.status_code)
    assert statuses == [401] * 5 + [429] * 3


def test_one_address_tries_ten_accounts_a_minute(strict: System) -> None:
    client = elsewhere()
    statuses = [
        guess(strict, f"nobody{n}@example.org", client).status_code for n in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2


def test_a_network_that_sprays_is_slowed(ada: Person, strict: System) -> None:
    """BF-07."""
    network = a_network()
    statuses = Counter(
        guess(strict, f"x{n}@example.org", client_at(f"{network}.{n}")).status_code
        for n in range(40)
    )
    assert statuses == {401: 34, 429: 6}  # 31, and three that were left
    assert ada.log_in().ok


def test_people_behind_one_address_may_all_log_in(ada: Person, strict: System) -> None:
    statuses = {
        guess(strict, ada.email, ada.http, PASSWORD).status_code for _ in range(25)
    }
    assert statuses == {200}


def test_an_address_registers_five_an_hour(strict: System) -> None:
    """REG-03."""
    client, answers = elsewhere(), []
    for _ in range(7):
        person = Person(strict)
        person.http = client
        answers.append(person.register())
    assert [each.status_code for each in answers] == [201] * 5 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 3500


def test_a_stolen_token_does_not_guess_the_password(ada: Person) -> None:
    """BF-06, PWD-08."""
    assert ada.log_in().ok
    answers = [ada.change_password("newer " + PASSWORD, WRONG) for _ in range(6)]
    assert [each.status_code for each in answers] == [400] * 5 + [429]
    assert ada.log_in().ok  # which is another limit


def test_a_session_refreshes_thirty_times_a_minute(ada: Person) -> None:
    """BF-06."""
    assert ada.log_in().ok
    answers = [ada.refresh() for _ in range(32)]
    assert [each.status_code for each in answers] == [200] * 30 + [429] * 2
    assert "Set-Cookie" not in answers[-1].headers
    assert ada.me().ok


def test_the_admin_is_no_easier_way(strict: System, operator: Operator) -> None:
    """BF-06."""
    client = elsewhere()
    url = f"{strict.gateway_url}/admin/login/".replace("localhost", "127.0.0.1")

    def submit(password: str) -> requests.Response:
        page = client.get(url, timeout=TIMEOUT)
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token
        form = {"username": operator.email, "password": password, "next": "/admin/"}
        answer: requests.Response = client.post(
            url,
            data={**form, "csrfmiddlewaretoken": token[1]},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
        return answer

    answers = [submit(WRONG) for _ in range(6)]
    assert [each.status_code for each in answers] == [200] * 5 + [429]
    assert answers[-1].headers["Content-Type"].startswith("text/html")
    assert "Too many attempts" in answers[-1].text
    strict.run("users", "liftlock", operator.email)
    assert submit(PASSWORD).status_code == 302


def test_an_operator_sees_and_lifts_a_lock(
    ada: Person, strict: System, operator: Operator
) -> None:
    assert ada.log_in().ok
    client = elsewhere()
    for _ in range(6):
        guess(strict, ada.email, client)
    assert "login:pair" in strict.run("auth", "listlocks", ada.email)
    path = f"{USERS}{claims_of(ada.access)['sub']}/locks/"
    assert "login:pair" in operator.page(path)
    assert guess(strict, ada.email, client, PASSWORD).status_code == 429

    page = operator.submit(path, lift="1")

    assert "may be tried again at once" in page
    assert guess(strict, ada.email, client, PASSWORD).ok
    assert "0 locks" in strict.run("auth", "listlocks", ada.email)


def test_a_restart_of_the_services_forgets_nothing(ada: Person, strict: System) -> None:
    client = elsewhere()
    for _ in range(5):
        guess(strict, ada.email, client)
    strict.run("restart", "auth")
    assert guess(strict, ada.email, client, PASSWORD).status_code == 429


def test_what_is_counted_names_nobody(ada: Person, strict: System) -> None:
    """BF-05, LOG-02."""
    guess(strict, ada.email, ada.http)
    client = strict.redis()
    keys = [key for key in client.scan_iter(count=1000) if ":limit:" in key]
    assert len(keys) > 5
    assert all(0 < client.ttl(key) <= 30 * 86400 for key in keys)
    assert not [key for key in keys if ada.name in key or "127." in key]
    assert {key.split(":")[0] for key in keys} <= {"auth", "users"}


def test_our_trouble_is_nobodys_attempt(ada: Person, strict: System) -> None:
    """BF-05."""
    client = elsewhere()
    with strict.stopped("users"):
        statuses = {guess(strict, ada.email, client).status_code for _ in range(8)}
        assert statuses == {503}
    assert guess(strict, ada.email, client, PASSWORD).ok


def test_without_redis_postgresql_counts(strict: System) -> None:
    """§1.1: knocking Redis out buys no guesses, and locks nobody else out."""
    ada = Person(strict)
    ada.http = elsewhere()
    assert ada.register().ok
    assert ada.log_in().ok
    client = elsewhere()
    with strict.stopped("redis"):
        before = asked(strict)
        with ThreadPoolExecutor(20) as pool:
            answers = list(
                pool.map(lambda _: guess(strict, ada.email, client), range(40))
            )
        statuses = Counter(each.status_code for each in answers)
        assert set(statuses) <= {401, 429, 503}
        assert asked(strict) - before <= 5
        while guess(strict, ada.email, client).status_code != 429:
            pass  # what a 503 gave back
        assert ada.log_in().ok
        assert ada.refresh().ok
        assert ada.me().ok
        registrations = []
        for _ in range(6):
            person = Person(strict)
            person.http = client
            registrations.append(person.register().status_code)
        assert registrations == [201] * 5 + [429]
    assert ada.log_in().ok
    # Redis begins anew, once the services ask it again.
    begins = partial(guess, strict, ada.email, client, PASSWORD)
    eventually(lambda: begins().ok, 10, "a new count")


def test_a_redis_that_is_full_buys_no_guesses_either(
    ada: Person, strict: System
) -> None:
    assert ada.log_in().ok
    client, admin = elsewhere(), strict.redis()
    before = admin.config_get("maxmemory")["maxmemory"]
    admin.config_set("maxmemory", "1")
    try:
        statuses = [guess(strict, ada.email, client).status_code for _ in range(7)]
        assert statuses == [401] * 5 + [429] * 2
        assert ada.log_in().ok
    finally:
        admin.config_set("maxmemory", before)
