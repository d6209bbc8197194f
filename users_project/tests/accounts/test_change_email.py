"""Another address: asked for and confirmed."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from tests.accounts.conftest import ADDRESS, BASE, OTHER
from tests.factories import EPOCH, NEW, PASSWORD, WRONG, UserFactory
from tests.factors.rows import without_password
from tests.refusals import assert_invalid, assert_refused
from users import bulk
from users.accounts import change_email
from users.accounts.models import EmailChange, Link
from users.events.models import Event
from users.mail import delivery
from users.mail.models import Mail
from users.models import User

ME = f"{BASE}/me"


def confirm(post, token, password=PASSWORD):
    return post("/change_email/confirm", token=token, password=password)


def test_a_request_waits_for_a_click_and_the_old_address_is_told(
    ask_change, session, mailed, audits
):
    answer = ask_change("Ada@example.com")
    assert answer.status_code == 202
    assert answer.json()["pending_email"] == "Ada@example.com"
    [change] = EmailChange.objects.all()
    assert change.expires_at - change.created_at == timedelta(hours=24)
    notice, link = (
        ("email_change_requested", ADDRESS),
        ("change_email", "Ada@example.com"),
    )
    assert mailed() == [notice, link]
    me = session.get(ME).json()
    assert (me["email"], me["pending_email"]) == (ADDRESS, "Ada@example.com")
    assert audits("event") == [("email_change_requested",)]
    EmailChange.objects.update(expires_at=timezone.now())
    assert session.get(ME).json()["pending_email"] is None


BULK = {change.name: change for change in bulk.CHANGES}
ENDS = {
    "a new password": lambda ada, root: ada.change_password(NEW, uuid4()),
    "a logout everywhere": lambda ada, root: ada.end_sessions(),
    "a bulk action": lambda ada, root: bulk.run(BULK["end_sessions"], [ada.pk], root),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_voids_the_link_forgets_the_change(ask_change, ada, root, end):
    ask_change()
    ENDS[end](User.objects.get(pk=ada.pk), root)
    assert not EmailChange.objects.exists()


@pytest.mark.parametrize(("age", "acr"), [(10, "aal2"), (400, "aal2"), (10, "aal1")])
def test_an_account_without_a_password_needs_a_recent_login(
    post, bearer, ada, token, mailed, age, acr
):
    """A reset would go to the old mailbox, which may be lost."""
    without_password(ada)
    login = {"auth_time": int(time.time()) - age, "acr": acr}
    client = bearer(sub=str(ada.pk), **login)
    answer = post("/me/change_email", client, new_email=OTHER)
    if (age, acr) == (10, "aal2"):
        assert answer.status_code == 202
        link = token("change_email")
        assert post("/change_email/confirm", client, token=link).status_code == 204
        assert User.objects.get().email == OTHER
    else:
        assert_refused(answer, 401, "insufficient_user_authentication")
        assert mailed() == []


def test_without_the_password_nothing_is_asked_for(post, session, mailed):
    answer = post("/me/change_email", session, new_email=OTHER)
    assert_invalid(answer, "current_password", "required")
    assert mailed() == []


def test_a_session_that_has_ended_asks_for_nothing(ask_change, ada, mailed):
    """The Auth Service does not know it yet, and the token is accepted."""
    ada.end_sessions()
    assert_refused(ask_change(), 401, "token_revoked")
    assert mailed() == []


def test_a_wrong_password_asks_for_nothing(ask_change, mailed, audits):
    answer = ask_change(current_password=WRONG)
    assert_invalid(answer, "current_password", "invalid")
    assert mailed() == []
    assert audits("event") == [("email_change_fail",)]


@pytest.mark.parametrize(
    ("address", "code"), [(ADDRESS.upper(), "email_unchanged"), ("ada", "invalid")]
)
def test_a_bad_address_costs_no_hash(ask_change, hashes, address, code):
    assert_invalid(ask_change(address), "new_email", code)
    assert hashes == []


def test_a_taken_address_is_answered_alike_and_gets_no_mail(ask_change, mailed):
    owner = UserFactory(email=OTHER)
    for gone in (False, True):
        taken = ask_change()
        assert (taken.status_code, [*taken.json()]) == (
            202,
            ["pending_email", "expires_at"],
        )
        assert mailed() == [("email_change_requested", ADDRESS)]
        if not gone:
            owner.soft_delete()


def test_only_the_last_request_counts(ask_change, post, token, ada):
    ask_change()
    first = token("change_email")
    ask_change("ada@example.net")
    assert_refused(confirm(post, first), 400, "link_invalid")
    assert confirm(post, token("change_email")).status_code == 204
    assert User.objects.get().email == "ada@example.net"


def test_a_request_can_be_cancelled(ask_change, post, token, session, audits):
    ask_change()
    link = token("change_email")
    for _ in range(2):
        assert session.delete(f"{ME}/change_email").status_code == 204
    assert session.get(ME).json()["pending_email"] is None
    assert_refused(confirm(post, link), 400, "link_invalid")
    events = [event for (event,) in audits("event")]
    assert events == ["email_change_requested", "email_change_cancelled"]


def test_a_job_that_runs_twice_mails_once(ask_change, mailed, ada):
    ask_change()
    mailed()
    change_email.handle(ada.pk)
    assert mailed() == []


def test_a_mail_to_the_new_address_that_fails_is_no_event(ask_change, mailed, audits):
    """ACC-04. The user would learn from it that the address has no account."""
    ask_change()
    mailed()
    mail = Mail.objects.get(kind="change_email")
    delivery.fail(mail, "SMTPRecipientsRefused")
    assert not Event.objects.filter(event="mail_failed").exists()
    line = audits()[-1]
    assert (line.event, line.kind) == ("mail_failed", "change_email")
    assert line.user_id == str(mail.user_id)


def test_a_link_that_is_mailed_late_works_no_longer_than_was_said(ask_change, token):
    """The worker may have been down for hours."""
    answer = ask_change().json()
    token("change_email")
    link = Link.objects.get(purpose="change_email")
    assert answer["expires_at"] == link.expires_at.isoformat().replace("+00:00", "Z")


def test_a_change_whose_time_is_over_mails_no_link(ask_change, mailed):
    ask_change()
    EmailChange.objects.update(expires_at=timezone.now())
    assert mailed() == [("email_change_requested", ADDRESS)]


# Confirmed


def test_the_click_moves_the_account_and_ends_no_session(moved, mailed):
    assert (moved.email, moved.email_canonical) == (OTHER, OTHER)
    assert moved.email_verified
    assert moved.session_epoch == EPOCH
    assert not EmailChange.objects.exists()
    assert mailed().count(("email_changed", ADDRESS)) == 1


def test_an_access_token_of_the_account_is_enough(
    ask_change, post, token, session, audits
):
    ask_change()
    answer = post("/change_email/confirm", session, token=token("change_email"))
    assert answer.status_code == 204
    assert audits("event")[-1] == ("email_changed",)


def test_an_address_that_was_taken_meanwhile_is_said_to_its_owner(
    ask_change, post, token, ada
):
    ask_change()
    link = token("change_email")
    owner = UserFactory(email=OTHER)
    assert_refused(confirm(post, link), 409, "account_exists")
    assert User.objects.get(pk=ada.pk).email == ADDRESS
    owner.delete()
    assert confirm(post, link).status_code == 204
