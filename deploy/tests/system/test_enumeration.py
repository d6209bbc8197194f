"""What is answered tells nobody whether an account exists or what became of it (PWD-06,
REG-03, FUT-01): the same status, headers and body, byte by byte, but for the request's
own id and the date. How long it takes, `test_timing` tells.
"""

import secrets
import uuid
from collections.abc import Callable, Iterable

import pytest
import requests

from deploy.tests.client import PASSWORD, TIMEOUT, ApiClient, TestUser, internal
from deploy.tests.stack import System
from deploy.tests.timing.login_failures import STATES, new_user, refused_logins

Said = tuple[int, tuple[tuple[str, str], ...], str]
OWN = {"date", "x-request-id"}


def said(response: requests.Response) -> Said:
    """All that an answer says."""
    body = response.text
    if "X-Request-ID" in response.headers:
        body = body.replace(response.headers["X-Request-ID"], "")
    headers = sorted(
        (name.lower(), value)
        for name, value in response.headers.items()
        if name.lower() not in OWN
    )
    return response.status_code, tuple(headers), body


def the_one(responses: Iterable[requests.Response]) -> Said:
    """What all of them say. Fails where they differ."""
    found = [said(response) for response in responses]
    assert len({*found}) == 1, "\n".join(map(str, found))
    return found[0]


@pytest.mark.parametrize("address", ["gateway_url", "auth_url"])
def test_a_refused_log_in_is_like_any_other(system: System, address: str) -> None:
    url = f"{getattr(system, address)}/api/v1/auth/login"
    with ApiClient(keep_alive=True) as http:
        status, _, body = the_one(
            http.post(url, json=login, timeout=TIMEOUT)
            for login in refused_logins(system).values()
        )
    assert status == 401
    assert '"code":"invalid_credentials"' in body


def test_the_user_service_says_no_more(system: System) -> None:
    status, _, _ = the_one(
        internal(system, "POST", "/api/v1/users/verify", json=login)
        for login in refused_logins(system).values()
    )
    assert status == 401


def test_a_name_that_is_taken_is_a_conflict_whoever_has_it(system: System) -> None:
    """REG-03, the documented enumeration: a free name is a 201. But by which of the two
    names it is taken, and what became of the account, is not told."""
    users = [new_user(system), *(new_user(system, how) for how in STATES.values())]
    assert TestUser(system).register().status_code == 201

    def again(**changed: str) -> requests.Response:
        other = TestUser(system)
        body = {"username": other.name, "email": other.email, "password": PASSWORD}
        return other.post("/api/v1/users/", json=body | changed)

    taken = [{"email": user.email, "username": user.name.upper()} for user in users]
    status, _, body = the_one(
        again(**names)
        for each in taken
        for names in (each, {"email": each["email"]}, {"username": each["username"]})
    )
    assert status == 409
    assert '"code":"account_exists"' in body


@pytest.fixture
def over(system: System, register: Callable[[], TestUser]) -> dict[str, TestUser]:
    """Users whose session is over, by why."""
    states = {**STATES, "logged out": "", "another password": "session_epoch = 5"}
    del states["without a password"]  # by itself it ends nothing
    found = {}
    for why, change in states.items():
        found[why] = user = register()
        assert user.log_in().ok
        if change:
            sql = f"UPDATE users_user SET {change} WHERE username = %s RETURNING id"  # noqa: S608
            assert system.query("users", sql, user.name)
        else:
            assert user.log_out().ok
    return found


def test_a_session_that_is_over_is_over_for_no_reason(
    over: dict[str, TestUser],
) -> None:
    """At refresh, which learns it from the User Service or from the row; and at the
    verification of an access token afterwards."""
    status, _, body = the_one(user.refresh() for user in over.values())
    assert status == 401
    assert '"code":"token_revoked"' in body

    status, _, body = the_one(user.verify() for user in over.values())
    assert status == 401
    assert '"code":"token_revoked"' in body


def test_logout_says_the_same_to_everybody(
    over: dict[str, TestUser], user: TestUser
) -> None:
    """With a session or without, and with what never was a token."""
    cookies = [each.cookie for each in over.values()]
    cookies += [user.cookie, user.cookie, user.cookie[:-4], "x", ""]
    answers = [user.with_cookie("/api/v1/auth/logout", it) for it in cookies]
    answers.append(user.post("/api/v1/auth/logout"))
    status, _, _ = the_one(answers)
    assert status == 200


def test_somebody_elses_session_is_no_session(
    user: TestUser, register: Callable[[], TestUser]
) -> None:
    other = register()
    assert other.log_in().ok
    sids = [other.sid, str(uuid.uuid4())]
    status, _, _ = the_one(user.end_session(sid) for sid in sids)
    assert status == 404
    assert other.refresh().ok


def test_no_service_is_told_of_who_is_not_there(system: System) -> None:
    gone = [new_user(system, STATES[name]) for name in ("inactive", "deleted")]
    rows = [
        system.query("users", "SELECT id FROM users_user WHERE username = %s", it.name)
        for it in gone
    ]
    ids = [uuid.uuid4(), *(row[0][0] for row in rows)]
    status, _, _ = the_one(
        internal(system, "GET", f"/api/v1/users/{user_id}") for user_id in ids
    )
    assert status == 404


def test_only_what_is_their_own_may_differ(system: System) -> None:
    """So that the comparison above cannot pass for want of anything to compare."""
    url = f"{system.gateway_url}/api/v1/auth/login"
    login = {"email": f"{secrets.token_hex(4)}@example.org", "password": PASSWORD}
    refusals = [requests.post(url, json=login, timeout=TIMEOUT) for _ in range(2)]
    assert refusals[0].text != refusals[1].text
    assert said(refusals[0]) == said(refusals[1])
    invalid = requests.post(url, json={**login, "password": ""}, timeout=TIMEOUT)
    assert said(invalid) != said(refusals[0])
