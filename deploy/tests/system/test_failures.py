"""The table of faults: what works, what says 503, and that it heals by itself.

Each row makes a part of the system unavailable, once stopped and once paused, and asks
for everything at once. No 503 may cost a client its cookie, and none counts as a failed
login.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from deploy.tests.client import (
    VERIFY,
    Response,
    TestUser,
    assert_revoked,
    assert_valid,
    at_once,
    code_of,
    cookie_of,
    internal,
    whole_job,
)
from deploy.tests.factors import FACTORS
from deploy.tests.stack import as_it_was, wait_until

EVENTS = "/api/v1/users/me/events"
SEEN = 3.0  # seconds after which every worker knows what a file says
SERVICE_TIMEOUT = 3  # seconds a service waits for another
BREAKER_PAUSE = 5  # seconds in which services still do not ask a Redis that is back
SWEEP = 3
UNAVAILABLE = ("dependency_unavailable", "upstream_unavailable")

# The statuses while these parts are unavailable. `me` and `verify` are asked by one
# user whose session Redis has, and by another without. None: nothing is there to ask.
CALLS = (
    *("login", "refresh", "me", "me without key", "verify", "verify without key"),
    *("register", "logout"),
)
REDIS = ("redis",)
TABLE: dict[tuple[str, ...], tuple[int | None, ...]] = {
    ("auth-db",): (503, 503, 200, 503, 200, 503, 201, 503),
    ("users-db",): (503, 503, 503, 503, 200, 200, 503, 200),
    ("users",): (503, 503, 503, 503, 200, 200, 503, 200),
    ("auth",): (503, 503, 200, 503, None, None, 201, 503),
    REDIS: (200, 200, 200, 200, 200, 200, 201, 200),
    ("redis", "auth"): (503, 503, 503, 503, None, None, 201, 503),
}
CASES = [
    pytest.param(
        fault,
        missing,
        id=f"{fault}-{'-'.join(missing)}",
        # Pauses take long, and two parts have unit tests of each act.
        marks=[pytest.mark.verify] if fault == "paused" or len(missing) > 1 else [],
    )
    for fault in ("stopped", "paused")
    for missing in TABLE
]


@pytest.mark.parametrize(("fault", "missing"), CASES)
def test_a_part_is_unavailable(fault, missing, register, healthy):
    ada, unknown_to_redis, newcomer = register(), register(), TestUser(healthy)
    for user in (ada, unknown_to_redis):
        assert user.log_in().ok
    forget(unknown_to_redis)
    failed_before = healthy.log("users").count("authn_login_fail")

    with getattr(healthy, fault)(*missing):
        responses = ask(ada, unknown_to_redis, newcomer, "auth" not in missing)
        # Last: it ends the session the others ask with.
        responses["logout"] = ada.log_out()
        if missing == REDIS:
            assert_revoked(ada, within=5)  # each answer may wait for Redis
            assert_valid(unknown_to_redis)

    assert_row(missing, responses)
    assert healthy.log("users").count("authn_login_fail") == failed_before
    wait_until(lambda: whole_job(TestUser(healthy)), 10, "the main job")
    assert newcomer.register().status_code in (201, 409)
    if responses["logout"].ok:
        # The logout that was acknowledged holds, once the sweep has updated Redis.
        seconds = BREAKER_PAUSE + SWEEP if missing == REDIS else 0
        assert_revoked(ada, within=3, then_for=seconds)
    elif fault == "stopped":
        assert_valid(ada)
        time.sleep(BREAKER_PAUSE if "redis" in missing else 0)
    # Else the service read the logout when it woke: the client, which received 503 and
    # has its cookie, may find the session either way.
    assert_valid(unknown_to_redis)


def assert_row(missing: tuple[str, ...], responses: dict[str, Response]) -> None:
    expected = dict(zip(CALLS, TABLE[missing], strict=True))
    found = {call: response.status_code for call, response in responses.items()}
    assert found == {call: status for call, status in expected.items() if status}
    for response in responses.values():
        if response.status_code == 503:
            assert_unavailable(response)


def forget(user: TestUser) -> None:
    """Remove the session's key, as an expiry or an eviction does."""
    user.system.redis().delete(f"session:{user.sid}")


def ask(
    ada: TestUser, unknown_to_redis: TestUser, newcomer: TestUser, with_auth: bool
) -> dict[str, Response]:
    """Everything at once: the answers may each take as long as a timeout."""
    calls: dict[str, Callable[[], Response]] = {
        "me": ada.me,
        "me without key": unknown_to_redis.me,
        "login": TestUser(ada.system, ada.name).log_in,
        "register": newcomer.register,
    }
    if with_auth:  # which is asked directly: without it nothing answers
        calls["verify"] = ada.verify
        calls["verify without key"] = unknown_to_redis.verify
    responses = dict(zip(calls, at_once([*calls.values()]), strict=True))
    # By itself: a refresh gives Redis the key that others were to be without.
    return responses | {"refresh": ada.refresh()}


def assert_unavailable(response: Response) -> None:
    """503: when to come again, and the cookie is kept (RFC 7009 section 2.2.1)."""
    assert response.status_code == 503
    assert code_of(response) in UNAVAILABLE
    assert int(response.one("Retry-After")) >= 1
    assert cookie_of(response) is None


def test_a_wrong_api_key_is_our_trouble_and_not_the_users(register, healthy):
    """Between services: 503 and a loud log, never a 401 that would log users out."""
    ada, unknown_to_redis = register(), register()
    for user in (ada, unknown_to_redis):
        assert user.log_in().ok
    forget(unknown_to_redis)
    right = {"X-Internal-Api-Key": healthy.api_key("auth")}
    with ExitStack() as wrong:
        for direction in ("auth_users", "users_auth"):
            path = healthy.state / "secrets" / f"{direction}_service_api_key"
            wrong.enter_context(as_it_was(path, "x" * 43))
        time.sleep(SEEN)
        for act in (ada.log_in, ada.refresh, unknown_to_redis.me):
            assert_unavailable(act())
        assert "401 service_auth_failed" in healthy.log("auth")
        assert ada.me().ok
        token = {"token": ada.access}
        assert internal(healthy, "POST", VERIFY, right, json=token).ok
        assert TestUser(healthy).register().status_code == 201
        assert ada.log_out().status_code == 200
    time.sleep(SEEN)
    assert whole_job(TestUser(healthy))
    assert_valid(unknown_to_redis)


def test_a_change_of_password_holds_though_its_push_is_lost(user, other, healthy):
    """The user's row says which session continues."""
    new = "a newer horse battery"
    with healthy.stopped("auth"):
        assert user.change_password(new).status_code == 204
        assert other.me().ok  # Redis says so
        answer = other.call("POST", f"{FACTORS}/totp", json={"name": "phone"})
        assert code_of(answer) == "token_revoked"
    assert code_of(other.refresh()) == "token_revoked"
    assert_revoked(other)
    assert_valid(user)
    assert TestUser(healthy, user.name).log_in().status_code == 401
    user.password = new
    assert_valid(user.on_another_device())


def three_logged_in(register):
    users = [register() for _ in range(3)]
    for user in users:
        assert user.log_in().ok
    return users


def test_a_user_service_that_hangs_keeps_no_other_client_waiting(register, healthy):
    """S2S-06: there are more refreshes than threads, each of which waits for its
    timeout, and still a thread is left for what needs no User Service."""
    ada, *waiting = three_logged_in(register)
    with healthy.paused("users"), ThreadPoolExecutor(40) as pool:
        refreshes = [pool.submit(p.refresh, p.cookie) for p in waiting * 20]
        responses = [ada.verify() for _ in range(20)]
        assert {r.status_code for r in responses} == {200}
        # Else they would have queued behind a refresh, for the three seconds it waits.
        assert all(r.elapsed.total_seconds() < SERVICE_TIMEOUT for r in responses)
        assert ada.log_out().elapsed.total_seconds() < SERVICE_TIMEOUT
        assert {future.result().status_code for future in refreshes} == {503}
    assert whole_job(TestUser(healthy))


def test_an_auth_service_that_hangs_keeps_no_other_client_waiting(register, healthy):
    """S2S-06: the events of a user are in both services."""
    ada, *waiting = three_logged_in(register)
    with healthy.paused("auth"), ThreadPoolExecutor(40) as pool:
        pages = [pool.submit(p.call, "GET", EVENTS) for p in waiting * 20]
        responses = [ada.me() for _ in range(20)]
        assert {r.status_code for r in responses} == {200}
        assert all(r.elapsed.total_seconds() < SERVICE_TIMEOUT for r in responses)
        assert {future.result().status_code for future in pages} == {503}
    assert whole_job(TestUser(healthy))


def test_a_database_that_is_down_keeps_no_other_client_waiting(register, healthy):
    """S2S-06: after the first wait one thread at most waits for it."""
    ada, *waiting = three_logged_in(register)
    with healthy.stopped("auth-db"), ThreadPoolExecutor(40) as pool:
        refreshes = [pool.submit(p.refresh, p.cookie) for p in waiting * 50]
        time.sleep(SERVICE_TIMEOUT + 1)
        responses = [ada.verify() for _ in range(20)]
        assert {r.status_code for r in responses} == {200}
        assert all(r.elapsed.total_seconds() < SERVICE_TIMEOUT for r in responses)
        assert {future.result().status_code for future in refreshes} == {503}
    wait_until(lambda: whole_job(TestUser(healthy)), 10, "the main job")
