"""A user's sessions in the admin, with the real Auth Service behind it."""

from collections.abc import Callable

from deploy.tests.admin_site import USERS, Operator
from deploy.tests.client import TIMEOUT, TestUser, claims_of, code_of
from deploy.tests.stack import System


def page_of(user: TestUser) -> str:
    return f"{USERS}{claims_of(user.access)['sub']}/sessions/"


def test_an_operator_sees_the_devices_and_ends_one(
    system: System, user: TestUser, operator: Operator
) -> None:
    phone = TestUser(system, user.name)
    assert phone.log_in().ok
    page = operator.page(page_of(user))
    for sid in (user.sid, phone.sid):
        assert page.count(f'name="session" value="{sid}"') == 1

    page = operator.revoke_session(claims_of(phone.access)["sub"], phone.sid)

    assert "The session has ended." in page
    assert phone.sid not in page
    assert user.sid in page
    assert code_of(phone.me()) == code_of(phone.verify()) == "token_revoked"
    assert code_of(phone.refresh()) == "token_revoked"
    assert user.me().ok
    again = operator.revoke_session(claims_of(phone.access)["sub"], phone.sid)
    assert "There was no such session any more" in again


def test_a_session_is_not_ended_by_the_page_of_another_user(
    user: TestUser, operator: Operator, register: Callable[[], TestUser]
) -> None:
    stranger = register()
    assert stranger.log_in().ok
    page = operator.revoke_session(claims_of(stranger.access)["sub"], user.sid)
    assert "There was no such session any more" in page
    assert user.me().ok
    assert user.refresh().ok


def test_without_the_auth_service_the_page_says_so(
    healthy: System, user: TestUser, operator: Operator
) -> None:
    path = page_of(user)
    with healthy.paused("auth"):
        answer = operator.browser.get(operator.url + path, timeout=TIMEOUT)
    assert answer.status_code == 503
    assert "whether there are sessions is not known" in answer.text
    assert user.sid in operator.page(path)
