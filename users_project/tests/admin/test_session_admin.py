"""The page of a user's sessions in the admin, with a double of the Auth Service."""

import uuid
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from shared.api.exceptions import DependencyUnavailable
from shared.clients import AuthClient
from tests import admin_pages
from tests.admin_pages import browser_of
from tests.factories import UserFactory


@pytest.fixture
def auth(monkeypatch):
    """The client of the Auth Service, which knows of no session."""
    client = Mock(spec=AuthClient)
    client.sessions.return_value = []
    monkeypatch.setattr("users.admin.user_pages.auth_client", lambda: client)
    return client


def opened(auth, device="Firefox on Linux"):
    """The id of one that it knows of."""
    sid, now = uuid.uuid4(), timezone.now()
    times = {"created_at": now, "last_used_at": now, "expires_at": now}
    session = {"id": sid, "device": device, "ip": "192.0.2.0/24"} | times
    auth.sessions.return_value.append(session)
    return sid


def url(user):
    return admin_pages.url("users_user_sessions", user.pk)


def page_of(client, user):
    return client.get(url(user)).content.decode()


def end(client, user, **form):
    """Press a button of the page, and follow to the next one."""
    return client.post(url(user), form, follow=True)


def history(user):
    entries = LogEntry.objects.filter(object_id=str(user.pk))
    return [entry.get_change_message() for entry in entries]


@pytest.mark.parametrize("name", ["events", "factors", "sessions", "locks"])
def test_the_page_of_a_user_leads_to_it(admin, ada, name):
    page = admin.get(admin_pages.change_url(ada)).content.decode()
    assert f'href="{admin_pages.url(f"users_user_{name}", ada.pk)}"' in page


def test_sessions_are_listed_with_a_button_each(admin, auth, ada):
    """What a client calls itself is text."""
    assert "is not logged in anywhere" in page_of(admin, ada)
    devices = ["Safari on iPhone", '"><script>alert(1)</script>']
    sids = [opened(auth, device) for device in devices]
    page = page_of(admin, ada)
    assert f'formaction="{admin_pages.LIST}" name="action" value="end_sessions"' in page
    assert "Safari on iPhone" in page
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert page.count("192.0.2.0/24") == 2
    for sid in sids:
        assert page.count(f'name="session" value="{sid}"') == 1


def test_one_session_is_ended(clerk, auth, audits):
    """By staff who may change users."""
    user, phone = UserFactory(), opened(auth)
    auth.revoke_session.side_effect = [True, False]
    response = end(clerk, user, session=phone)
    assert response.redirect_chain == [(url(user), 302)]
    assert "The session has ended." in response.content.decode()
    auth.revoke_session.assert_called_once_with(user.pk, phone)
    again = end(clerk, user, session=phone).content.decode()
    assert "There was no such session any more" in again
    assert history(user) == [f"Ended session {phone}."]
    ids = (str(user.pk), str(phone), clerk.session["_auth_user_id"])
    found = audits("event", "outcome", "user_id", "sid", "by")
    assert found == [("user_end_session", "success", *ids)]


def test_without_the_auth_service_nothing_is_claimed(admin, auth, ada, audits):
    """No list is not an empty one, and no answer is no success."""
    sid = opened(auth)
    auth.sessions.side_effect = auth.revoke_session.side_effect = DependencyUnavailable
    response = admin.get(url(ada))
    page = response.content.decode()
    assert response.status_code == 503
    assert "The Auth Service does not answer" in page
    assert "not logged in anywhere" not in page
    assert "Log out everywhere" in page

    page = end(admin, ada, session=sid).content.decode()
    assert "it is not known whether the session has ended" in page
    assert history(ada) == [f"Ended session {sid}: no answer, outcome unknown."]
    assert audits("outcome") == [("unknown",)]


@pytest.mark.parametrize("form", [{}, {"session": "x"}, {"session": ""}])
def test_a_form_that_names_no_session_is_refused(admin, auth, ada, form):
    opened(auth)
    assert end(admin, ada, **form).status_code == 400
    auth.revoke_session.assert_not_called()
    assert history(ada) == []


# Who may


def test_ones_own_are_not_ended_here(admin, auth, root):
    sid = opened(auth)
    page = page_of(admin, root)
    assert "These are not yours to end." in page
    assert 'name="session"' not in page
    assert end(admin, root, session=sid).status_code == 403
    auth.revoke_session.assert_not_called()


def test_staff_without_rights_see_nothing(auth, ada):
    sid, browser = opened(auth, "Canary"), browser_of(UserFactory(is_staff=True))
    for response in (browser.get(url(ada)), browser.post(url(ada), {"session": sid})):
        assert response.status_code == 403
        assert b"Canary" not in response.content
    auth.revoke_session.assert_not_called()
