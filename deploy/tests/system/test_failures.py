"""The table of faults: what works, what says 503, and that it heals by itself.

Each row takes a part of the system away, once stopped and once standing still, and asks
for everything at once. No 503 may cost a client its cookie, and none counts as a failed
log-in.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from requests import Response

from deploy.tests.stack import System, eventually
from deploy.tests.users import Person, code_of, cookie_of

WORKS, FAILS, VARIES = 200, 503, 0
SERVICE_TIMEOUT = 3  # seconds a service waits for another
BREAKER_PAUSE = 5  # seconds in which services still do not ask a Redis that is back


@dataclass(frozen=True)
class Row:
    """Expected statuses while `away` are away.

    `verify` and `me` are asked twice: while Redis has the session's key, and without.
    """

    away: tuple[str, ...]
    login: int
    refresh: int
    verify: tuple[int, int]
    me: tuple[int, int]
    logout: int
    register: int


TABLE = {
    "redis": Row(
        ("redis",), WORKS, WORKS, (WORKS, WORKS), (WORKS, WORKS), WORKS, WORKS
    ),
    "auth database": Row(
        ("auth-db",), FAILS, FAILS, (WORKS, FAILS), (WORKS, FAILS), FAILS, WORKS
    ),
    "users database": Row(
        ("users-db",), FAILS, FAILS, (WORKS, WORKS), (FAILS, FAILS), WORKS, FAILS
    ),
    "user service": Row(
        ("users",), FAILS, FAILS, (WORKS, WORKS), (FAILS, FAILS), WORKS, FAILS
    ),
    "auth service": Row(
        ("auth",), FAILS, FAILS, (VARIES, VARIES), (WORKS, FAILS), FAILS, WORKS
    ),
    "redis and auth service": Row(
        ("redis", "auth"), FAILS, FAILS, (VARIES, VARIES), (FAILS, FAILS), FAILS, WORKS
    ),
}


@contextmanager
def stopped(system: System, away: tuple[str, ...]) -> Iterator[None]:
    with system.stopped(*away):
        yield


@contextmanager
def paused(system: System, away: tuple[str, ...]) -> Iterator[None]:
    with system.paused(*away):
        yield


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("fault", [stopped, paused])
def test_a_part_is_away(
    name: str,
    fault: Callable[..., Iterator[None]],
    register: Callable[[], Person],
    healthy: System,
) -> None:
    row = TABLE[name]
    ada, unknown_to_redis, newcomer = register(), register(), Person(healthy)
    for person in (ada, unknown_to_redis):
        assert person.log_in().ok
    forget(healthy, unknown_to_redis)
    failed_before = healthy.log("users").count("authn_login_fail")

    with fault(healthy, row.away):
        answers = ask(ada, unknown_to_redis, newcomer, with_auth="auth" not in row.away)
        # Last: it ends the session the others ask with.
        logged_out = ada.log_out()

    assert_row(row, answers, logged_out)
    assert healthy.log("users").count("authn_login_fail") == failed_before
    eventually(lambda: whole_job(healthy), 10, "the main job")
    assert newcomer.register().status_code in (201, 409)
    if logged_out.ok:
        assert_over(ada)
    elif fault is stopped:
        assert_goes_on(ada)
    # Else the service read the logout when it woke: the client, which was told 503 and
    # has its cookie, may find the session either way.
    if "redis" in row.away:
        time.sleep(BREAKER_PAUSE)


def forget(system: System, person: Person) -> None:
    """Take the session's key away, as an expiry or an eviction does."""
    system.redis().delete(f"session:{person.sid}")


def ask(
    ada: Person, unknown_to_redis: Person, newcomer: Person, with_auth: bool
) -> dict[str, Response]:
    """Everything at once: the answers may each take as long as a timeout."""
    calls: dict[str, Callable[[], Response]] = {
        "me with key": ada.me,
        "me without key": unknown_to_redis.me,
        "login": Person(ada.system, ada.name).log_in,
        "register": newcomer.register,
    }
    if with_auth:  # which is asked directly: without it there is nobody to ask
        calls |= {
            "verify with key": ada.verify,
            "verify without key": unknown_to_redis.verify,
        }
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = {name: pool.submit(call) for name, call in calls.items()}
        answers = {name: future.result() for name, future in futures.items()}
    # By itself: a refresh gives Redis the key that others were to be without.
    return answers | {"refresh": ada.refresh()}


def assert_row(row: Row, answers: dict[str, Response], logged_out: Response) -> None:
    expected = {
        "login": row.login,
        "refresh": row.refresh,
        "me with key": row.me[0],
        "me without key": row.me[1],
        "verify with key": row.verify[0],
        "verify without key": row.verify[1],
        "register": 201 if row.register == WORKS else FAILS,
        "logout": row.logout,
    }
    answers = answers | {"logout": logged_out}
    got = {name: answers[name].status_code for name in answers}
    assert got == {name: expected[name] for name in answers}
    for name, answer in answers.items():
        if answer.status_code == FAILS:
            assert_promises_to_return(name, answer)


def assert_promises_to_return(name: str, answer: Response) -> None:
    """503: when to come again, and the cookie is kept (RFC 7009 section 2.2.1)."""
    assert code_of(answer) in ("dependency_unavailable", "upstream_unavailable"), name
    assert int(answer.headers["Retry-After"]) >= 1, name
    assert cookie_of(answer) is None, name


def assert_over(ada: Person) -> None:
    """The logout that was acknowledged holds, once the sweep has told Redis."""
    eventually(lambda: ada.me().status_code == 401, 3, "refusal")
    assert code_of(ada.me()) == "token_revoked"
    assert code_of(ada.refresh()) == "token_revoked"


def assert_goes_on(ada: Person) -> None:
    """No session was lost, and the cookie that was kept still works."""
    assert ada.refresh().status_code == 200
    assert ada.me().status_code == 200
    assert ada.log_out().status_code == 200


def whole_job(system: System) -> bool:
    """Register, log in, me, verify, refresh, log out."""
    person = Person(system)
    steps = (
        person.register,
        person.log_in,
        person.me,
        person.verify,
        person.refresh,
        person.log_out,
    )
    return all(step().ok for step in steps)


def test_a_wrong_api_key_is_our_trouble_and_not_the_users(
    person: Person, healthy: System
) -> None:
    """Between services: 503 and a loud log, never a 401 that would log people out."""
    with healthy.wrong_key("auth", "auth_users_service_api_key"):
        for answer in (person.log_in(), person.refresh()):
            assert answer.status_code == 503
            assert_promises_to_return("wrong key", answer)
        assert "401 service_auth_failed" in healthy.log("auth")
        assert person.me().ok
        assert person.verify().ok
        assert Person(healthy).register().status_code == 201
        assert person.log_out().status_code == 200
    assert whole_job(healthy)


def test_a_wrong_key_of_the_user_service_leaves_me_to_redis(
    register: Callable[[], Person], healthy: System
) -> None:
    ada, unknown_to_redis = register(), register()
    for person in (ada, unknown_to_redis):
        assert person.log_in().ok
    with healthy.wrong_key("users", "users_auth_service_api_key"):
        forget(healthy, unknown_to_redis)
        assert ada.me().status_code == 200
        answer = unknown_to_redis.me()
        assert answer.status_code == 503
        assert_promises_to_return("me", answer)
    assert whole_job(healthy)


def test_a_user_service_that_hangs_keeps_nobody_else_waiting(
    register: Callable[[], Person], healthy: System
) -> None:
    """S2S-06: there are more refreshes than threads, each of which waits for its
    timeout, and still a thread is left for those who need no User Service."""
    ada = register()
    waiting = [register() for _ in range(2)]
    for person in (ada, *waiting):
        assert person.log_in().ok
    with healthy.paused("users"), ThreadPoolExecutor(40) as pool:
        refreshes = [pool.submit(p.refresh, p.cookie) for p in waiting * 20]
        answers = [ada.verify() for _ in range(20)]
        assert {a.status_code for a in answers} == {200}
        # Else they would have queued behind a refresh, for the three seconds it waits.
        assert all(a.elapsed.total_seconds() < SERVICE_TIMEOUT for a in answers)
        assert ada.log_out().elapsed.total_seconds() < SERVICE_TIMEOUT
        assert {future.result().status_code for future in refreshes} == {503}
    assert whole_job(healthy)
