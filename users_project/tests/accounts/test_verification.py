"""Links that verify the address of a user."""

import uuid

import pytest

from tests.accounts.conftest import ADDRESS
from tests.factories import EPOCH, PASSWORD, WRONG
from tests.refusals import assert_invalid, assert_refused
from users.models import User


@pytest.fixture
def link(ada, post, token):
    assert post("/verify_email/resend", email=ADDRESS).status_code == 202
    return token("verify")


def is_verified():
    return User.objects.get(email=ADDRESS).email_verified


def test_the_password_of_the_account_verifies_it(link, post, audits):
    assert post("/verify_email", token=link, password=PASSWORD).status_code == 204
    user = User.objects.get()
    assert user.email_verified
    assert user.session_epoch == EPOCH  # no session ends
    assert [each.event for each in audits()] == ["email_verified"]
    again = post("/verify_email", token=link, password=PASSWORD)
    assert_refused(again, 400, "link_invalid")


def test_so_does_an_access_token_of_it(link, post, session):
    assert post("/verify_email", session, token=link).status_code == 204
    assert is_verified()


def test_neither_a_click_nor_another_users_token_does(link, post, bearer):
    for client in ({}, {"client": bearer(sub=str(uuid.uuid4()))}):
        assert_invalid(
            post("/verify_email", **client, token=link), "password", "required"
        )
    assert not is_verified()


def test_a_bad_access_token_is_said_to_be_one(link, api_client):
    headers = {"Authorization": "Bearer x"}
    body = {"token": link, "password": PASSWORD}
    answer = api_client.post("/api/v1/users/verify_email", body, headers=headers)
    assert_refused(answer, 401, "token_invalid")


def test_five_wrong_passwords_void_the_link(link, post, session):
    for _ in range(5):
        wrong = post("/verify_email", token=link, password=WRONG)
        assert_refused(wrong, 401, "invalid_credentials")
    for client in ({}, {"client": session}):
        right = post("/verify_email", **client, token=link, password=PASSWORD)
        assert_refused(right, 400, "link_invalid")
    assert not is_verified()


def test_no_link_is_mailed_where_there_is_nothing_to_verify(ada, post, mailed, link):
    post("/verify_email", token=link, password=PASSWORD)
    mailed()
    for address in (ADDRESS, "unknown@example.org"):
        assert post("/verify_email/resend", email=address).status_code == 202
    User.objects.update(email_verified_at=None, is_active=False)
    post("/verify_email/resend", email=ADDRESS)
    assert mailed() == []


def test_another_address_is_not_verified(link, post, ada):
    """Also if an operator writes it. In another case it is the same one."""
    post("/verify_email", token=link, password=PASSWORD)
    ada.refresh_from_db()
    ada.email = ADDRESS.upper()
    ada.save()
    assert User.objects.get().email_verified
    ada.email = "other@example.org"
    ada.save()
    assert not User.objects.get().email_verified
    assert not ada.email_verified
