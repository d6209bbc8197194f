"""Sessions of a person on several devices, through the gateway."""

import uuid
from collections.abc import Callable

import pytest

from deploy.tests.stack import System, eventually
from deploy.tests.users import Person, code_of, cookie_of, internal

CAP = 10


@pytest.fixture
def another_device(system: System) -> Callable[[Person], Person]:
    """Makes devices on which somebody is logged in as well."""

    def log_in(person: Person) -> Person:
        device = Person(system, person.name)
        assert device.log_in().ok
        return device

    return log_in


def refused(device: Person) -> bool:
    """At every door: the User Service's, the Auth Service's, other services'."""
    answers = (device.me(), device.sessions(), device.verify())
    assert {a.status_code for a in answers} <= {200, 401}, [a.text for a in answers]
    return all(not a.ok and code_of(a) == "token_revoked" for a in answers)


def assert_over(device: Person) -> None:
    """Access within a second, refresh for good."""
    eventually(lambda: refused(device), 1, "refusal of the access token")
    assert code_of(device.refresh()) == "token_revoked"


def assert_alive(device: Person) -> None:
    assert device.me().ok
    assert device.sessions().ok
    assert device.verify().ok
    assert device.refresh().ok


def test_a_person_sees_their_devices(
    person: Person, another_device: Callable[[Person], Person]
) -> None:
    phone = another_device(person)
    answer = person.sessions()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    shown = answer.json()
    assert [each["id"] for each in shown] == [phone.sid, person.sid]
    assert [each["current"] for each in shown] == [False, True]
    assert {each["ip"] for each in shown} <= {"127.0.0.0/24", "::/48"}
    assert {each["device"] for each in shown} == {"Python Requests"}
    assert [each["current"] for each in phone.sessions().json()] == [True, False]


def test_ending_one_ends_that_device_and_no_other(
    person: Person, another_device: Callable[[Person], Person]
) -> None:
    phone = another_device(person)
    assert phone.me().ok
    assert person.end_session(phone.sid).status_code == 204
    assert_over(phone)
    assert code_of(person.end_session(phone.sid)) == "not_found"
    assert_alive(person)
    assert [each["id"] for each in person.sessions().json()] == [person.sid]


def test_the_current_one_may_be_ended(person: Person) -> None:
    assert person.end_session(person.sid).status_code == 204
    assert_over(person)


def test_a_foreign_session_is_as_unknown_as_any(
    person: Person, register: Callable[[], Person]
) -> None:
    eve = register()
    assert eve.log_in().ok
    for sid in (person.sid, str(uuid.uuid4())):
        answer = eve.end_session(sid)
        assert answer.status_code == 404
        assert code_of(answer) == "not_found"
    assert_alive(person)


def test_logging_out_everywhere(
    person: Person, another_device: Callable[[Person], Person]
) -> None:
    phone = another_device(person)
    answer = person.log_out_all()
    assert answer.status_code == 200
    assert answer.json() == {"revoked": 2}
    assert cookie_of(answer) == ""
    for device in (person, phone):
        assert_over(device)
    assert person.log_in().ok
    assert_alive(person)


def test_logging_out_everywhere_else(
    person: Person, another_device: Callable[[Person], Person]
) -> None:
    phone, tablet = another_device(person), another_device(person)
    answer = person.log_out_all(keep_current=True)
    assert answer.json() == {"revoked": 2}
    assert cookie_of(answer) is None
    for device in (phone, tablet):
        assert_over(device)
    assert_alive(person)


def test_logging_out_everywhere_raises_the_epoch(person: Person) -> None:
    user = f"/api/v1/users/{person.me().json()['id']}"
    before = internal(person.system, "GET", user).json()["session_epoch"]
    assert person.log_out_all().ok
    after = internal(person.system, "GET", user).json()["session_epoch"]
    assert after > before


def test_the_cap_ends_the_least_recently_used(
    person: Person, another_device: Callable[[Person], Person]
) -> None:
    others = [another_device(person) for _ in range(CAP)]
    assert_over(person)
    assert_alive(others[0])
    assert len(others[-1].sessions().json()) == CAP


def test_the_cookie_opens_none_of_these(person: Person) -> None:
    access, person.access = person.access, "x"
    answers = [
        person.log_out_all(),
        person.sessions(),
        person.end_session(str(uuid.uuid4())),
    ]
    person.access = access
    assert {code_of(answer) for answer in answers} == {"token_invalid"}
    assert_alive(person)
