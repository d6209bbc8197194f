"""One's own account, on two devices, through the gateway and both services."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest
import requests

from deploy.tests.stack import System, eventually
from deploy.tests.users import Person, code_of

NEW = "a newer horse battery"
PROFILE = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "display_name": "Countess \u2665",
    "avatar_url": "https://example.org/ada.png",
}


@pytest.fixture
def other(person: Person) -> Person:
    """The same person on a second device."""
    device = Person(person.system, person.name)
    assert device.log_in().ok
    return device


def refused(person: Person) -> bool:
    """At /me, which asks Redis first, and at verify_token, as other services ask."""
    answers = (person.me(), person.verify())
    return all(not a.ok and code_of(a) == "token_revoked" for a in answers)


def assert_goes_on(person: Person) -> None:
    """Its access token is good, and twice its refresh token."""
    assert person.me().ok
    assert person.verify().ok
    assert person.refresh().status_code == 200
    assert person.refresh().status_code == 200
    assert person.me().ok


def status_of_log_in(person: Person, password: str) -> int:
    device = Person(person.system, person.name)
    device.password = password
    return device.log_in().status_code


def test_a_changed_password_ends_every_other_session_and_keeps_this(
    person: Person, other: Person
) -> None:
    answer = person.change_password(NEW)
    assert (answer.status_code, answer.content) == (204, b"")
    eventually(lambda: refused(other), 1, "refusal of the other device")
    assert code_of(other.refresh()) == "token_revoked"
    assert_goes_on(person)
    assert status_of_log_in(person, person.password) == 401
    assert status_of_log_in(person, NEW) == 200


def test_it_can_be_changed_again_by_the_session_that_was_kept(person: Person) -> None:
    first = person.password
    assert person.change_password(NEW).status_code == 204
    assert person.change_password(first, NEW).status_code == 204
    assert_goes_on(person)
    assert status_of_log_in(person, first) == 200


def test_a_wrong_current_password_leaves_everything(
    person: Person, other: Person
) -> None:
    answer = person.change_password(NEW, "not the password")
    assert answer.status_code == 400
    assert code_of(answer) == "validation_error"
    [error] = answer.json()["errors"]["current_password"]
    assert error["code"] == "invalid"
    for device in (person, other):
        assert_goes_on(device)
    assert status_of_log_in(person, person.password) == 200
    assert status_of_log_in(person, NEW) == 401


def test_an_ended_session_changes_nothing(person: Person) -> None:
    assert person.log_out().ok
    assert code_of(person.change_password(NEW)) == "token_revoked"
    assert status_of_log_in(person, person.password) == 200


def test_without_the_auth_service_the_change_holds_and_all_log_in_again(
    person: Person, other: Person, healthy: System
) -> None:
    """The push is lost, and with it which session was to be kept."""
    with healthy.stopped("auth"):
        assert person.change_password(NEW).status_code == 204
    for device in (person, other):
        assert code_of(device.refresh()) == "token_revoked"
        eventually(lambda d=device: refused(d), 1, "refusal")
    assert status_of_log_in(person, person.password) == 401
    assert status_of_log_in(person, NEW) == 200


def update(person: Person, body: Any) -> requests.Response:
    return person.call("PATCH", "/api/v1/users/me", json=body)


def test_the_profile_goes_there_and_back(
    person: Person, register: Callable[[], Person]
) -> None:
    before = person.me().json()
    answer = update(person, PROFILE)
    assert answer.status_code == 200
    after = person.me().json()
    assert (
        after == answer.json() == before | PROFILE | {"updated_at": after["updated_at"]}
    )
    assert update(person, {}).json() == after
    name = secrets.token_hex(4)
    assert update(person, {"display_name": name}).json()["display_name"] == name
    assert update(person, {"display_name": "a\nb"}).status_code == 400
    emptied = update(person, dict.fromkeys(PROFILE, "")).json()
    assert emptied == before | {"updated_at": emptied["updated_at"]}
    someone = register()
    someone.log_in()
    assert someone.me().json()["first_name"] == ""
