"""No answer tells whether an account exists or what became of it (PWD-06, REG-03,
FUT-01): the same status, headers and body, byte by byte, but for the request's own id
and the date. How long it takes is in `timing`; what needs no database, in `attack`.
"""

import uuid

import pytest

from deploy.tests.client import (
    LOGIN,
    LOGOUT,
    ApiClient,
    Response,
    TestUser,
    internal,
    refused,
    same_but_for_the_id,
)
from deploy.tests.stack import System
from deploy.tests.timing.login_failures import STATES, new_user, refused_logins


@pytest.fixture(scope="module")
def gone(system: System) -> dict[str, TestUser]:
    """Users who were logged in, in each state that an account can have."""
    found = {state: new_user(system) for state in (*STATES, "logged out", "epoch")}
    changes = {**STATES, "epoch": "session_epoch = session_epoch + 5"}
    for state, user in found.items():
        assert user.log_in().ok
        if change := changes.get(state):
            sql = f"UPDATE users_user SET {change} WHERE username = %s RETURNING id"  # noqa: S608
            [(user_id,)] = system.query("users", sql, user.name)
            assert user_id
    assert found["logged out"].log_out().ok
    return found


def test_a_refused_log_in_is_like_any_other(system: System) -> None:
    logins = refused_logins(system).values()
    answers: dict[str, list[Response]] = {}
    for base in (system.gateway_url, system.auth_url):
        answers[base] = [ApiClient(base).post(LOGIN, json=x) for x in logins]
        refused(answers[base][0], 401, "invalid_credentials")
    path = "/api/v1/users/verify"
    answers[path] = [internal(system, "POST", path, json=login) for login in logins]
    assert answers[path][0].status_code == 401
    assert all(same_but_for_the_id(*each) for each in answers.values())


def test_a_name_that_is_taken_is_a_conflict_in_every_state(
    gone: dict[str, TestUser], system: System
) -> None:
    """REG-03, the documented enumeration: a free name is a 201. But which of the two
    names is taken, and what became of the account, no answer tells."""
    answers = []
    for user in gone.values():
        names = {"email": user.email, "username": user.name.upper()}
        for body in (names, {"email": user.email}, {"username": user.name}):
            answers.append(TestUser(system).register(**body))
    refused(answers[0], 409, "account_exists")
    assert same_but_for_the_id(*answers)


def test_a_session_that_is_over_is_over_for_no_reason(
    gone: dict[str, TestUser], user: TestUser
) -> None:
    """At refresh, which learns it from the User Service or from the row; at the
    verification of an access token afterwards; and a logout says the same to all, with
    a session or without, and with what never was a token."""
    over = [each for state, each in gone.items() if state != "without a password"]
    refreshed = [each.refresh() for each in over]
    refused(refreshed[0], 401, "token_revoked")
    verified = [each.verify() for each in over]
    refused(verified[0], 401, "token_revoked")
    cookies = [each.cookie for each in over]
    cookies += [user.cookie, user.cookie, user.cookie[:-4], "x", ""]
    left = [user.with_cookie(LOGOUT, cookie) for cookie in cookies]
    left.append(user.post(LOGOUT))
    assert left[0].status_code == 200
    assert all(same_but_for_the_id(*each) for each in (refreshed, verified, left))


def test_no_service_learns_of_a_user_who_is_gone(
    gone: dict[str, TestUser], system: System
) -> None:
    sql = "SELECT id FROM users_user WHERE username = %s"
    users = (gone["inactive"], gone["deleted"])
    ids = [uuid.uuid4(), *(system.query("users", sql, u.name)[0][0] for u in users)]
    answers = [internal(system, "GET", f"/api/v1/users/{user_id}") for user_id in ids]
    refused(answers[0], 404, "user_not_found")
    assert same_but_for_the_id(*answers)


def test_only_what_is_their_own_may_differ(user: TestUser) -> None:
    """So that the comparison above cannot pass for want of anything to compare."""
    first, second = user.refresh("x"), user.refresh("x")
    assert first.text != second.text
    assert same_but_for_the_id(first, second)
    assert not same_but_for_the_id(first, user.refresh(""))
