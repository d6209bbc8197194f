"""A user's sessions in the admin, with the real Auth Service behind it."""

from collections.abc import Callable

from deploy.tests.admin_site import USERS, Operator
from deploy.tests.stack import System
from deploy.tests.users import TIMEOUT, Person, claims_of, code_of


def page_of(person: Person) -> str:
    return f"{USERS}{claims_of(person.access)['sub']}/sessions/"


def test_an_operator_sees_the_devices_and_ends_one(
    system: System, person: Person, operator: Operator
) -> None:
    phone = Person(system, person.name)
    assert phone.log_in().ok
    page = operator.page(page_of(person))
    for sid in (person.sid, phone.sid):
        assert page.count(f'name="session" value="{sid}"') == 1

    page = operator.revoke_session(claims_of(phone.access)["sub"], phone.sid)

    assert "The session has ended." in page
    assert phone.sid not in page
    assert person.sid in page
    assert code_of(phone.me()) == code_of(phone.verify()) == "token_revoked"
    assert code_of(phone.refresh()) == "token_revoked"
    assert person.me().ok
    again = operator.revoke_session(claims_of(phone.access)["sub"], phone.sid)
    assert "There was no such session any more" in again


def test_a_session_is_not_ended_by_the_page_of_another_user(
    person: Person, operator: Operator, register: Callable[[], Person]
) -> None:
    stranger = register()
    assert stranger.log_in().ok
    page = operator.revoke_session(claims_of(stranger.access)["sub"], person.sid)
    assert "There was no such session any more" in page
    assert person.me().ok
    assert person.refresh().ok


def test_without_the_auth_service_the_page_says_so(
    healthy: System, person: Person, operator: Operator
) -> None:
    path = page_of(person)
    with healthy.paused("auth"):
        answer = operator.browser.get(operator.url + path, timeout=TIMEOUT)
    assert answer.status_code == 503
    assert "whether there are sessions is not known" in answer.text
    assert person.sid in operator.page(path)
