"""The table of faults: what works, what says 503, and that it heals by itself.

Each row takes a part of the system away, once stopped and once paused, and asks for
everything at once. No 503 may cost a client its cookie, and none counts as a failed
login.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from deploy.tests.client import Response, TestUser, code_of, cookie_of, whole_job
from deploy.tests.stack import System, wait_until

WORKS, FAILS, VARIES = 200, 503, 0
SERVICE_TIMEOUT = 3  # seconds a service waits for another
BREAKER_PAUSE = 5  # seconds in which services still do not ask a Redis that is back
UNAVAILABLE = ("dependency_unavailable", "upstream_unavailable")


@dataclass(frozen=True)
class Row:
    """Expected statuses while `missing` are unavailable.

    `verify` and `me` are asked twice: while Redis has the session's key, and without.
    """

    missing: tuple[str, ...]
    login: int
    refresh: int
    verify: tuple[int, int]
    me: tuple[int, int]
    logout: int
    register: int

    def expected(self) -> dict[str, int]:
        return {
            "login": self.login,
            "refresh": self.refresh,
            "me with key": self.me[0],
            "me without key": self.me[1],
            "verify with key": self.verify[0],
            "verify without key": self.verify[1],
            "register": 201 if self.register == WORKS else FAILS,
            "logout": self.logout,
        }


BOTH, NEITHER = (WORKS, WORKS), (FAILS, FAILS)
TABLE = {
    "redis": Row(("redis",), WORKS, WORKS, BOTH, BOTH, WORKS, WORKS),
    "auth database": Row(
        ("auth-db",), FAILS, FAILS, (WORKS, FAILS), (WORKS, FAILS), FAILS, WORKS
    ),
    "users database": Row(("users-db",), FAILS, FAILS, BOTH, NEITHER, WORKS, FAILS),
    "user service": Row(("users",), FAILS, FAILS, BOTH, NEITHER, WORKS, FAILS),
    "auth service": Row(
        ("auth",), FAILS, FAILS, (VARIES, VARIES), (WORKS, FAILS), FAILS, WORKS
    ),
    "redis and auth service": Row(
        ("redis", "auth"), FAILS, FAILS, (VARIES, VARIES), NEITHER, FAILS, WORKS
    ),
}
PAUSED_IN_TEST = "redis"  # pauses take long; those of the others are for `verify`


def cases() -> list[object]:
    found: list[object] = []
    for name in TABLE:
        for fault in ("stopped", "paused"):
            slow = fault == "paused" and name != PAUSED_IN_TEST
            marks = [pytest.mark.verify] if slow else []
            found.append(pytest.param(name, fault, id=f"{fault}-{name}", marks=marks))
    return found


@pytest.mark.parametrize(("name", "fault"), cases())
def test_a_part_is_unavailable(
    name: str, fault: str, register: Callable[[], TestUser], healthy: System
) -> None:
    row = TABLE[name]
    ada, unknown_to_redis, newcomer = register(), register(), TestUser(healthy)
    for user in (ada, unknown_to_redis):
        assert user.log_in().ok
    forget(healthy, unknown_to_redis)
    failed_before = healthy.log("users").count("authn_login_fail")

    with getattr(healthy, fault)(*row.missing):
        with_auth = "auth" not in row.missing
        responses = ask(ada, unknown_to_redis, newcomer, with_auth)
        # Last: it ends the session the others ask with.
        responses["logout"] = logged_out = ada.log_out()

    assert_row(row, responses)
    assert healthy.log("users").count("authn_login_fail") == failed_before
    wait_until(lambda: whole_job(TestUser(healthy)), 10, "the main job")
    assert newcomer.register().status_code in (201, 409)
    if logged_out.ok:
        assert_over(ada)
    elif fault == "stopped":
        assert_goes_on(ada)
    # Else the service read the logout when it woke: the client, which received 503 and
    # has its cookie, may find the session either way.
    if "redis" in row.missing:
        time.sleep(BREAKER_PAUSE)


def forget(system: System, user: TestUser) -> None:
    """Remove the session's key, as an expiry or an eviction does."""
    system.redis().delete(f"session:{user.sid}")


def ask(
    ada: TestUser, unknown_to_redis: TestUser, newcomer: TestUser, with_auth: bool
) -> dict[str, Response]:
    """Everything at once: the answers may each take as long as a timeout."""
    calls: dict[str, Callable[[], Response]] = {
        "me with key": ada.me,
        "me without key": unknown_to_redis.me,
        "login": TestUser(ada.system, ada.name).log_in,
        "register": newcomer.register,
    }
    if with_auth:  # which is asked directly: without it nothing answers
        calls |= {
            "verify with key": ada.verify,
            "verify without key": unknown_to_redis.verify,
        }
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = {name: pool.submit(call) for name, call in calls.items()}
        responses = {name: future.result() for name, future in futures.items()}
    # By itself: a refresh gives Redis the key that others were to be without.
    return responses | {"refresh": ada.refresh()}


def assert_row(row: Row, responses: dict[str, Response]) -> None:
    expected = row.expected()
    found = {name: response.status_code for name, response in responses.items()}
    assert found == {name: expected[name] for name in responses}
    for response in responses.values():
        if response.status_code == FAILS:
            assert_unavailable(response)


def assert_unavailable(response: Response) -> None:
    """503: when to come again, and the cookie is kept (RFC 7009 section 2.2.1)."""
    assert response.status_code == FAILS
    assert code_of(response) in UNAVAILABLE
    assert int(response.one("Retry-After")) >= 1
    assert cookie_of(response) is None


def assert_over(ada: TestUser) -> None:
    """The logout that was acknowledged holds, once the sweep has updated Redis."""
    wait_until(lambda: ada.me().status_code == 401, 3, "refusal")
    assert code_of(ada.me()) == "token_revoked"
    assert code_of(ada.refresh()) == "token_revoked"


def assert_goes_on(ada: TestUser) -> None:
    """No session was lost, and the cookie that was kept still works."""
    for act in (ada.refresh, ada.me, ada.log_out):
        assert act().status_code == 200


def test_a_wrong_api_key_is_our_trouble_and_not_the_users(
    user: TestUser, healthy: System
) -> None:
    """Between services: 503 and a loud log, never a 401 that would log users out."""
    with healthy.wrong_key("auth", "auth_users_service_api_key"):
        for act in (user.log_in, user.refresh):
            assert_unavailable(act())
        assert "401 service_auth_failed" in healthy.log("auth")
        assert user.me().ok
        assert user.verify().ok
        assert TestUser(healthy).register().status_code == 201
        assert user.log_out().status_code == 200
    assert whole_job(TestUser(healthy))


def test_a_wrong_key_of_the_user_service_leaves_me_to_redis(
    register: Callable[[], TestUser], healthy: System
) -> None:
    ada, unknown_to_redis = register(), register()
    for user in (ada, unknown_to_redis):
        assert user.log_in().ok
    with healthy.wrong_key("users", "users_auth_service_api_key"):
        forget(healthy, unknown_to_redis)
        assert ada.me().status_code == 200
        assert_unavailable(unknown_to_redis.me())
    assert whole_job(TestUser(healthy))


def test_a_user_service_that_hangs_keeps_no_other_client_waiting(
    register: Callable[[], TestUser], healthy: System
) -> None:
    """S2S-06: there are more refreshes than threads, each of which waits for its
    timeout, and still a thread is left for what needs no User Service."""
    ada = register()
    waiting = [register() for _ in range(2)]
    for user in (ada, *waiting):
        assert user.log_in().ok
    with healthy.paused("users"), ThreadPoolExecutor(40) as pool:
        refreshes = [pool.submit(p.refresh, p.cookie) for p in waiting * 20]
        responses = [ada.verify() for _ in range(20)]
        assert {r.status_code for r in responses} == {200}
        # Else they would have queued behind a refresh, for the three seconds it waits.
        assert all(r.elapsed.total_seconds() < SERVICE_TIMEOUT for r in responses)
        assert ada.log_out().elapsed.total_seconds() < SERVICE_TIMEOUT
        assert {future.result().status_code for future in refreshes} == {503}
    assert whole_job(TestUser(healthy))
