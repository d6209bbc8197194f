"""An account is deleted by its user, and restored by the link in the mail or by an
operator."""

import time
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient

from tests.accounts.conftest import ADDRESS, BASE, OTHER
from tests.factories import EPOCH, PASSWORD, WRONG, UserFactory
from tests.factors.rows import without_password
from tests.refusals import assert_invalid, assert_refused
from users.accounts import change_email
from users.accounts.models import Link, Purpose
from users.mail.models import Mail
from users.models import User

ME = f"{BASE}/me"
BODY = {"current_password": PASSWORD}
FORTNIGHT = timedelta(days=14)


@pytest.fixture
def restore(post):
    return lambda link: post("/restore", token=link)


def state(user):
    """Whether the user is deleted, and how often sessions have ended."""
    row = User.objects.get(pk=user.pk)
    return row.is_deleted, row.session_epoch - EPOCH


def test_a_user_deletes_the_account_and_restores_it(
    session, ada, restore, token, pushes, on_commit, audits, jobs, guess
):
    """PRIV-01. All sessions end at once; the mail has a link for fourteen days."""
    other = UserFactory()
    User.objects.update(locale="de")
    with on_commit():
        response = session.delete(ME, BODY)
    assert response.status_code == 202
    ada.refresh_from_db()
    assert response.json() == {
        "restorable_until": ada.delete_after.isoformat().replace("+00:00", "Z")
    }
    assert ada.delete_after - ada.deleted_at == FORTNIGHT
    assert abs(timezone.now() - ada.deleted_at) < timedelta(minutes=1)
    reason = {"epoch": EPOCH + 1, "reason": "user_deleted"}
    assert pushes == [{"user_ids": [str(ada.pk)], **reason}]
    mail = Mail.objects.get()
    assert (mail.kind, mail.user, mail.locale) == ("deletion", ada, "de")
    assert (mail.address, mail.link.purpose) == (ADDRESS, Purpose.RESTORE)
    lifetime = mail.link.expires_at - mail.link.created_at
    assert abs(lifetime - FORTNIGHT) < timedelta(seconds=1)
    assert jobs("send_mail") == [{"mail_id": mail.pk}]
    assert ("user_deleted", str(ada.pk)) in audits("event", "user_id")
    assert_refused(session.get(ME), 401, "token_revoked")
    assert_refused(guess(PASSWORD), 401, "invalid_credentials")

    link = token("restore")
    assert (restore(link).status_code, state(ada)) == (204, (False, 1))
    ada.refresh_from_db()
    assert ada.delete_after is None
    assert guess(PASSWORD).status_code == 200
    restored = Mail.objects.latest("id")
    assert (restored.kind, restored.link) == ("restored", None)
    assert ("user_restored", str(ada.pk)) in audits("event", "user_id")
    assert_refused(restore(link), 400, "link_invalid")
    assert state(other) == (False, 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "required"), ({"current_password": WRONG}, "invalid")],
    ids=["none", "wrong"],
)
def test_without_the_password_nothing_is_deleted(session, ada, audits, body, code):
    assert_invalid(session.delete(ME, body), "current_password", code)
    assert (state(ada), Mail.objects.count()) == ((False, 0), 0)
    events = ["authn_password_check_fail"] if body else []
    assert [event for (event,) in audits("event")] == events


def test_wrong_passwords_are_counted_with_those_of_a_change(session, limited):
    """PWD-08. Of one session: five in all."""
    limited(PASSWORD_LIMIT_SESSION="2/hour")
    change = {"current_password": WRONG, "new_password": "a newer horse battery"}
    assert session.delete(ME, {"current_password": WRONG}).status_code == 400
    assert session.post(f"{ME}/change_password", change).status_code == 400
    assert_refused(session.delete(ME, BODY), 429, "rate_limited")


@pytest.mark.parametrize(("age", "acr"), [(10, "aal2"), (400, "aal2"), (10, "aal1")])
def test_an_account_without_a_password_needs_a_recent_login(bearer, ada, age, acr):
    without_password(ada)
    login = {"auth_time": int(time.time()) - age, "acr": acr}
    client = bearer(sub=str(ada.pk), **login)
    response = client.delete(ME, {})
    if (age, acr) == (10, "aal2"):
        assert (response.status_code, state(ada)) == (202, (True, 1))
    else:
        assert_refused(response, 401, "insufficient_user_authentication")
        assert state(ada) == (False, 0)


def test_a_password_that_an_operator_changes_meanwhile_deletes_nothing(
    session, ada, monkeypatch
):
    verify = User.check_password

    def then_operator(self, password):
        right = verify(self, password)
        User.objects.filter(pk=self.pk).update(password="!another")
        return right

    monkeypatch.setattr(User, "check_password", then_operator)
    assert_invalid(session.delete(ME, BODY), "current_password", "invalid")
    assert state(ada) == (False, 0)


def test_a_second_click_is_no_wrong_password(session, ada, monkeypatch, audits):
    """It comes while the first one deletes the account."""
    verify = User.check_password

    def then_deleted(self, password):
        right = verify(self, password)
        User.objects.get(pk=self.pk).soft_delete()
        return right

    monkeypatch.setattr(User, "check_password", then_deleted)
    assert_refused(session.delete(ME, BODY), 401, "token_revoked")
    assert ("authn_password_check_fail",) not in audits("event")


def test_the_link_goes_to_the_address_that_the_account_has_by_then(
    session, ada, monkeypatch
):
    """Not to a mailbox that the user has just left."""
    verify = User.check_password

    def then_moved(self, password):
        right = verify(self, password)
        change_email.move(User.objects.get(pk=self.pk), OTHER)
        return right

    monkeypatch.setattr(User, "check_password", then_moved)
    assert session.delete(ME, BODY).status_code == 202
    mail = Mail.objects.get()
    assert (mail.kind, mail.address, mail.link.address) == ("deletion", OTHER, OTHER)


# The last superuser


def test_the_last_superuser_stays(root, bearer, on_commit, pushes):
    """Users who are deleted or inactive are no others."""
    UserFactory(is_superuser=True, is_active=False)
    UserFactory(is_superuser=True, deleted_at=timezone.now())
    client = bearer(sub=str(root.pk))
    assert_refused(client.delete(ME, BODY), 409, "last_superuser")
    assert state(root) == (False, 0)
    UserFactory(is_superuser=True)
    assert client.delete(ME, BODY).status_code == 202


def test_of_two_superusers_who_go_at_once_one_stays(
    make_token, pushes, at_once, monkeypatch
):
    users = [UserFactory(is_superuser=True) for _ in range(2)]
    soft_delete = User.soft_delete

    def slowly(self):
        time.sleep(0.2)
        soft_delete(self)

    monkeypatch.setattr(User, "soft_delete", slowly)

    def delete(token):
        client = APIClient(headers={"Authorization": f"Bearer {token}"})
        return client.delete(ME, BODY).status_code

    tokens = [make_token(sub=str(user.pk)) for user in users]
    statuses = at_once(*(partial(delete, token) for token in tokens))
    assert sorted(statuses) == [202, 409]
    assert sorted(state(user)[0] for user in users) == [False, True]


# By operators


def test_a_deletion_by_an_operator_has_no_link_and_is_undone_by_one(ada, audits):
    call_command("deleteuser", ada.email)
    ada.refresh_from_db()
    assert ada.delete_after - ada.deleted_at == FORTNIGHT
    assert not Mail.objects.exists()
    assert not Link.objects.exists()
    call_command("restoreuser", ada.email)
    assert state(ada) == (False, 1)
    assert Mail.objects.get().kind == "restored"


def test_a_deactivated_user_who_is_restored_is_not_invited_to_log_in(ada):
    for command in ("deactivateuser", "deleteuser", "restoreuser"):
        call_command(command, ada.email)
    assert [mail.kind for mail in Mail.objects.all()] == ["deactivated"]


def test_an_operator_restores_what_the_user_deleted(session, ada, restore, token):
    session.delete(ME, BODY)
    link = token("restore")
    call_command("restoreuser", ada.email)
    assert state(ada) == (False, 1)
    assert Link.objects.get().used_at is not None
    assert_refused(restore(link), 400, "link_invalid")
    ada.refresh_from_db()
    ada.soft_delete()
    assert_refused(restore(link), 400, "link_invalid")
    assert state(ada) == (True, 2)


# Links of no use


def deactivate(user):
    User.objects.get(pk=user.pk).deactivate()


def end_sessions(user):
    User.objects.get(pk=user.pk).end_sessions()


def let_time_pass(user):
    """The link is still good."""
    User.objects.filter(pk=user.pk).update(delete_after=timezone.now())


def delete_again(user):
    call_command("restoreuser", user.email)
    Link.objects.update(used_at=None)
    User.objects.get(pk=user.pk).soft_delete()


def use_for_another(user):
    Link.objects.update(user=UserFactory(deleted_at=timezone.now()))


@pytest.mark.parametrize(
    "meanwhile",
    [deactivate, end_sessions, let_time_pass, delete_again, use_for_another],
)
def test_what_happens_meanwhile_voids_the_link(session, ada, restore, token, meanwhile):
    session.delete(ME, BODY)
    link = token("restore")
    meanwhile(ada)
    assert_refused(restore(link), 400, "link_invalid")
    assert state(ada)[0]
