"""One's own account, on two devices, through the gateway and both services."""

import secrets
from collections.abc import Callable
from typing import Any

import requests

from deploy.tests.client import TestUser, code_of
from deploy.tests.stack import System, wait_until

NEW = "a newer horse battery"
PROFILE = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "display_name": "Countess \u2665",
    "avatar_url": "https://example.org/ada.png",
}


def refused(user: TestUser) -> bool:
    """At /me, which asks Redis first, and at verify_token, as other services ask."""
    answers = (user.me(), user.verify())
    return all(not a.ok and code_of(a) == "token_revoked" for a in answers)


def assert_goes_on(user: TestUser) -> None:
    """Its access token is good, and twice its refresh token."""
    assert user.me().ok
    assert user.verify().ok
    assert user.refresh().status_code == 200
    assert user.refresh().status_code == 200
    assert user.me().ok


def status_of_log_in(user: TestUser, password: str) -> int:
    device = TestUser(user.system, user.name)
    device.password = password
    return device.log_in().status_code


def test_a_changed_password_ends_every_other_session_and_keeps_this(
    user: TestUser, other: TestUser
) -> None:
    answer = user.change_password(NEW)
    assert (answer.status_code, answer.content) == (204, b"")
    wait_until(lambda: refused(other), 1, "refusal of the other device")
    assert code_of(other.refresh()) == "token_revoked"
    assert_goes_on(user)
    assert status_of_log_in(user, user.password) == 401
    assert status_of_log_in(user, NEW) == 200


def test_it_can_be_changed_again_by_the_session_that_was_kept(user: TestUser) -> None:
    first = user.password
    assert user.change_password(NEW).status_code == 204
    assert user.change_password(first, NEW).status_code == 204
    assert_goes_on(user)
    assert status_of_log_in(user, first) == 200


def test_a_wrong_current_password_leaves_everything(
    user: TestUser, other: TestUser
) -> None:
    answer = user.change_password(NEW, "not the password")
    assert answer.status_code == 400
    assert code_of(answer) == "validation_error"
    [error] = answer.json()["errors"]["current_password"]
    assert error["code"] == "invalid"
    for device in (user, other):
        assert_goes_on(device)
    assert status_of_log_in(user, user.password) == 200
    assert status_of_log_in(user, NEW) == 401


def test_an_ended_session_changes_nothing(user: TestUser) -> None:
    assert user.log_out().ok
    assert code_of(user.change_password(NEW)) == "token_revoked"
    assert status_of_log_in(user, user.password) == 200


def test_without_the_auth_service_the_change_holds(
    user: TestUser, other: TestUser, healthy: System
) -> None:
    """The push is lost. The user's row says which session continues."""
    with healthy.stopped("auth"):
        assert user.change_password(NEW).status_code == 204
    assert code_of(other.refresh()) == "token_revoked"
    wait_until(lambda: refused(other), 1, "refusal")
    assert_goes_on(user)
    assert status_of_log_in(user, user.password) == 401
    assert status_of_log_in(user, NEW) == 200


def update(user: TestUser, body: Any) -> requests.Response:
    return user.call("PATCH", "/api/v1/users/me", json=body)


def test_the_profile_goes_there_and_back(
    user: TestUser, register: Callable[[], TestUser]
) -> None:
    before = user.me().json()
    answer = update(user, PROFILE)
    assert answer.status_code == 200
    after = user.me().json()
    assert (
        after == answer.json() == before | PROFILE | {"updated_at": after["updated_at"]}
    )
    assert update(user, {}).json() == after
    name = secrets.token_hex(4)
    assert update(user, {"display_name": name}).json()["display_name"] == name
    assert update(user, {"display_name": "a\nb"}).status_code == 400
    emptied = update(user, dict.fromkeys(PROFILE, "")).json()
    assert emptied == before | {"updated_at": emptied["updated_at"]}
    someone = register()
    someone.log_in()
    assert someone.me().json()["first_name"] == ""
