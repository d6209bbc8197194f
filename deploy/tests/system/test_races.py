"""Many requests at once, through the gateway: what must happen once happens once."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.tests.client import Response, TestUser, claims_of, code_of, cookie_of
from deploy.tests.stack import System


def at_once(calls: list[Callable[[], Response]]) -> list[Response]:
    """Make the calls in as many threads, started together."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_fifty_refreshes_of_one_cookie_get_one_successor(user: TestUser) -> None:
    first = user.cookie
    answers = at_once([lambda: user.refresh(first)] * 50)

    assert Counter(a.status_code for a in answers) == {200: 50}
    successors = {cookie_of(a) for a in answers} - {None}
    assert len(successors) == 1
    successor = successors.pop()
    assert claims_of(successor)["jti"] != claims_of(first)["jti"]
    assert all(user.me(a.json()["access_token"]).ok for a in answers[:5])
    assert user.refresh(successor).status_code == 200


def test_one_session_stays_one_row(user: TestUser, system: System) -> None:
    at_once([lambda: user.refresh(user.cookie)] * 10)
    user_id = claims_of(user.access)["sub"]
    rows = system.query(
        "auth", "SELECT count(*) FROM tokens_session WHERE user_id = %s", user_id
    )
    assert rows == [(1,)]


def test_fifty_equal_registrations_make_one_account(system: System) -> None:
    twin = TestUser(system)
    answers = at_once([twin.register] * 50)
    statuses = Counter(a.status_code for a in answers)
    # The bound on hashing may turn some away (503): they try again, as clients do.
    while statuses[503]:
        busy = statuses.pop(503)
        statuses += Counter(a.status_code for a in at_once([twin.register] * busy))
    assert statuses == {201: 1, 409: 49}
    rows = system.query(
        "users", "SELECT count(*) FROM users_user WHERE username = %s", twin.name
    )
    assert rows == [(1,)]


def test_refresh_against_logout_leaves_nothing_usable(
    register: Callable[[], TestUser],
) -> None:
    user = register()
    refresh_won = logout_won = 0
    # A refresh asks the User Service first, so it gets a head start, which follows what
    # happens: neither side wins always, however fast the machine.
    head_start = 0.015
    for _ in range(60):
        user.log_in()
        cookie, first = user.cookie, user.access
        refreshed, left = at_once(
            [
                lambda c=cookie: user.refresh(c),
                lambda c=cookie, s=head_start: time.sleep(s) or user.log_out(c),
            ]
        )
        assert left.status_code == 200
        refresh_won += refreshed.ok
        logout_won += not refreshed.ok
        head_start *= 0.85 if refreshed.ok else 1.2
        tokens = [first]
        if refreshed.ok:
            tokens.append(refreshed.json()["access_token"])
            successor = cookie_of(refreshed)
            assert successor
            assert code_of(user.refresh(successor)) == "token_revoked"
        else:
            assert code_of(refreshed) == "token_revoked"
        for token in tokens:
            assert code_of(user.me(token)) == "token_revoked"
            assert code_of(user.verify(token)) == "token_revoked"
    assert refresh_won >= 6, (refresh_won, logout_won)
    assert logout_won >= 6, (refresh_won, logout_won)


@pytest.mark.parametrize("times", [2, 20])
def test_logging_out_many_times_at_once_is_no_error(user: TestUser, times: int) -> None:
    answers = at_once([user.log_out] * times)
    assert {a.status_code for a in answers} == {200}
    assert all(cookie_of(a) == "" for a in answers)
    assert code_of(user.me()) == "token_revoked"
