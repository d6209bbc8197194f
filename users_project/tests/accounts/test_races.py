"""Links that are used at once: the database decides (docs/accounts.md)."""

from functools import partial
from threading import Barrier

import pytest
from rest_framework.test import APIClient

from tests.accounts.conftest import ADDRESS, BASE, OTHER
from tests.factories import NEW, PASSWORD, UserFactory, hashed
from tests.guesses import statuses
from users.accounts import links, registration, requests
from users.accounts.models import EmailChange, Link, Purpose, Registration
from users.mail.models import Mail
from users.models import User

TIMES = 20
FAR = "2100-01-01T00:00:00Z"
PATHS = {
    Purpose.REGISTER: "/verify_email",
    Purpose.VERIFY: "/verify_email",
    Purpose.RESET: "/password_reset/confirm",
    Purpose.CHANGE_EMAIL: "/change_email/confirm",
    Purpose.UNDO_EMAIL: "/change_email/undo",
    Purpose.RESTORE: "/restore",
}
CLICKS = {Purpose.UNDO_EMAIL, Purpose.RESTORE}  # which are enough


@pytest.fixture(autouse=True)
def _threads(settings, at_once, pushes):
    settings.WEB_THREADS = 100  # all may wait for their hash


def issue(purpose, user, address=ADDRESS):
    """The body of a use of a new link."""
    link = links.issue(purpose, address=address, user=user)
    body = {"token": links.token_of(link)}
    if purpose == Purpose.RESET:
        return body | {"new_password": NEW}
    return body if purpose in CLICKS else body | {"password": PASSWORD}


def register(address, username):
    """The same, of a new registration."""
    row = Registration.objects.create(email=address, username=username, locale="en")
    link = links.issue(Purpose.REGISTER, address=address, registration=row)
    return {"token": links.token_of(link), "password": PASSWORD}


def waiting(user, address):
    return EmailChange.objects.create(
        user=user, email=address, created_at=FAR, expires_at=FAR
    )


def use(purpose, body):
    return APIClient().post(BASE + PATHS[purpose], body)


@pytest.mark.parametrize("purpose", PATHS)
def test_of_twenty_uses_of_a_link_at_once_one_succeeds(ada, at_once, purpose):
    if purpose == Purpose.CHANGE_EMAIL:
        waiting(ada, OTHER)
    if purpose == Purpose.RESTORE:
        ada.soft_delete()
    if purpose == Purpose.REGISTER:
        body = register(OTHER, "bob")
    else:
        address = OTHER if purpose == Purpose.CHANGE_EMAIL else ADDRESS
        body = issue(purpose, ada, address)
    answers = at_once(*[partial(use, purpose, body)] * TIMES)
    assert sorted(statuses(answers)) == [204] + [400] * (TIMES - 1)
    assert {each.json()["code"] for each in answers if each.content} == {"link_invalid"}
    ada.refresh_from_db()
    done = {
        Purpose.REGISTER: User.objects.filter(email=OTHER).count() == 1,
        Purpose.VERIFY: ada.email_verified,
        Purpose.RESET: ada.check_password(NEW),
        Purpose.CHANGE_EMAIL: ada.email == OTHER,
        Purpose.UNDO_EMAIL: not ada.has_usable_password(),
        Purpose.RESTORE: Mail.objects.filter(kind="restored").count() == 1,
    }
    assert done[purpose]


def test_five_wrong_passwords_at_once_are_all_that_are_looked_at(
    ada, at_once, quick, monkeypatch
):
    """All have found the link before the first is counted."""
    find, all_found = links.find, Barrier(TIMES, timeout=10)

    def find_together(*args):
        link = find(*args)
        all_found.wait()
        return link

    monkeypatch.setattr(links, "find", find_together)
    body = issue(Purpose.VERIFY, ada) | {"password": "not this one"}
    answers = at_once(*[partial(use, Purpose.VERIFY, body)] * TIMES)
    assert sorted(statuses(answers)) == [400] * (TIMES - 5) + [401] * 5
    assert len(quick) == 5


def test_of_two_reset_links_at_once_one_works(ada, at_once):
    bodies = [issue(Purpose.RESET, ada) for _ in range(2)]
    for _ in range(3):
        answers = at_once(*[partial(use, Purpose.RESET, body) for body in bodies])
        assert sorted(statuses(answers)) == [204, 400]
        bodies = [issue(Purpose.RESET, User.objects.get()) for _ in range(2)]


def deactivate(user):
    User.objects.get(pk=user.pk).deactivate()


def set_password(user):
    user = User.objects.get(pk=user.pk)
    user.password = hashed("the operator's password")
    user.save()


@pytest.mark.parametrize("act", [deactivate, set_password])
def test_a_reset_loses_to_what_was_done_while_it_was_hashed(ada, monkeypatch, act):
    body = issue(Purpose.RESET, ada)
    original = User.set_password

    def then_operator(self, password):
        original(self, password)
        act(ada)

    monkeypatch.setattr(User, "set_password", then_operator)
    assert use(Purpose.RESET, body).json()["code"] == "link_invalid"
    user = User.objects.get()
    assert (user.is_active, user.has_usable_password()) == (act is set_password, True)
    assert not user.check_password(NEW)


def test_of_two_who_confirm_an_address_at_once_one_gets_it(ada, at_once):
    eve = UserFactory()
    bodies = []
    for user in (ada, eve):
        waiting(user, OTHER)
        bodies.append(issue(Purpose.CHANGE_EMAIL, user, OTHER))
    uses = [partial(use, Purpose.CHANGE_EMAIL, body) for body in bodies]
    answers = at_once(*uses)
    assert sorted(statuses(answers)) == [204, 409]
    [lost] = [each.json()["code"] for each in answers if each.content]
    assert lost == "account_exists"
    assert User.objects.filter(email=OTHER).count() == 1


def test_of_two_registrations_that_are_finished_at_once_one_is(at_once):
    for names in (["bob", "bob"], ["eve", "mallory"]):
        address = f"{names[0]}@example.org"
        bodies = [register(address, name) for name in names]
        answers = at_once(*[partial(use, Purpose.REGISTER, body) for body in bodies])
        assert sorted(statuses(answers)) == [204, 400]
        assert User.objects.filter(email=address).count() == 1


def test_a_registration_does_not_slip_in_while_an_address_is_given_up(ada, at_once):
    """Its statement waits for the one that moves the account; then it looks."""
    waiting(ada, OTHER)
    moving = partial(use, Purpose.CHANGE_EMAIL, issue(Purpose.CHANGE_EMAIL, ada, OTHER))
    body = {"username": "bob", "email": ADDRESS, "password": PASSWORD}
    moved, registered = at_once(moving, lambda: APIClient().post(BASE, body))
    assert (moved.status_code, registered.status_code) == (204, 409)


def test_a_request_is_handled_once_by_two_workers(ada, at_once):
    request = requests.AddressRequest.objects.create(kind="reset", address=ADDRESS)
    at_once(*[partial(requests.handle, request.pk)] * 2)
    assert Link.objects.count() == 1


def test_a_registration_is_handled_once_by_workers_at_once(at_once):
    row = Registration.objects.create(email=OTHER, username="bob", locale="en")
    at_once(*[partial(registration.handle, row.pk)] * 4)
    assert (Link.objects.count(), Mail.objects.count()) == (1, 1)


def test_what_fails_uses_no_link_up(ada, monkeypatch):
    body = issue(Purpose.RESET, ada)
    with monkeypatch.context() as patch:
        patch.setattr(links, "void", None)  # a fault in the last statement
        with pytest.raises(TypeError):
            use(Purpose.RESET, body)
    assert User.objects.get().check_password(PASSWORD)
    assert use(Purpose.RESET, body).status_code == 204
