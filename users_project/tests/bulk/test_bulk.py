"""Actions on many users in the admin: asked first, then done by few statements."""

import re

import pytest
from django.contrib.admin.models import LogEntry

from tests.admin_pages import LIST, act, ask, change_url, said
from tests.factories import EPOCH, UserFactory
from users import bulk
from users.mail.models import Mail
from users.models import Role, User

BY_NAME = {change.name: change for change in bulk.CHANGES}
GONE = "2026-01-31T12:00:00Z"
KEPT = {"kept_sid": "7b0d9c0a-4a0f-4c43-9b6e-0f2b1f6f9c11", "kept_from": 1}
BUTTON = re.compile(r'<button [^>]*name="action" value="(\w+)"')


def hidden(response):
    """What the form of the page that asks sends."""
    page = response.content.decode()
    pairs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
    form = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form | {"confirmed": "yes"}


def states(*users):
    found = {user.pk: user for user in User.objects.all()}
    return [(found[user.pk].is_active, found[user.pk].is_deleted) for user in users]


# The page that asks


def test_nothing_happens_before_it_is_confirmed(admin, root, pushes):
    """The count, ten names, and how many are left out."""
    users = [UserFactory() for _ in range(12)]
    gone = UserFactory(is_active=False)
    page = ask(admin, "deactivate", *users, gone, root)
    text = page.content.decode()
    assert "Deactivate 12 users" in text
    assert text.count("<li>User") == 10
    assert "and 2 more" in text
    assert "Left out: 1 not yours to change." in text
    assert "Left out: 1 deactivated already." in text
    assert not LogEntry.objects.exists()
    assert states(*users) == [(True, False)] * 12
    response = admin.post(LIST, hidden(page))
    assert (response.status_code, response["Location"]) == (302, LIST)
    assert states(*users, root) == [(False, False)] * 12 + [(True, False)]
    assert said(response) == [
        "12 users deactivated.",
        "Left out: 2 users, not yours to change or deactivated already.",
    ]


def test_the_page_asks_about_those_that_will_change(admin):
    """Django reads this text as no selection of the whole list."""
    users = [UserFactory() for _ in range(2)]
    page = ask(admin, "deactivate", users[0], select_across="False")
    assert "Deactivate 1 user" in page.content.decode()
    admin.post(LIST, hidden(page))
    assert states(*users) == [(False, False), (True, False)]


@pytest.mark.parametrize("action", [change.name for change in bulk.CHANGES])
def test_every_action_asks(admin, action):
    page = ask(admin, action, UserFactory())
    assert page.templates[0].name == "admin/users/user/confirm.html"
    assert {*User.objects.values_list("session_epoch", flat=True)} == {EPOCH}


def test_all_hits_are_a_filter_and_no_list_of_ids(admin, pushes):
    """What is confirmed is what the list was filtered by, at any number of hits."""
    users = [UserFactory() for _ in range(4)]
    query = "?is_active__exact=1"
    UserFactory(is_active=False)
    page = ask(admin, "soft_delete", users[0], query=query, select_across="1")
    form = hidden(page)
    assert (form["select_across"], len(form["_selected_action"])) == (["1"], 1)
    response = admin.post(LIST + query, form)
    assert response["Location"] == LIST + query
    assert said(response)[0] == "4 users deleted."
    assert states(*users) == [(True, True)] * 4
    assert User.objects.filter(deleted_at=None).count() == 2  # inactive; oneself


def test_the_users_page_has_the_buttons(admin, root, clerk):
    """Those for what the user is not already, and only what the viewer may do."""
    user, gone = UserFactory(), UserFactory(is_active=False, deleted_at=GONE)
    pages = {
        (admin, user): ["deactivate", "soft_delete", "end_sessions", "mark_verified"],
        (admin, gone): ["activate", "restore", "end_sessions", "mark_verified"],
        (admin, root): [],
        (clerk, user): ["deactivate", "end_sessions", "mark_verified"],
        (clerk, root): [],
    }
    for (browser, whose), buttons in pages.items():
        page = browser.get(change_url(whose)).content.decode()
        assert BUTTON.findall(page) == buttons
    page = ask(admin, "deactivate", user, of_page="1")
    assert "Deactivate 1 user" in page.content.decode()
    assert admin.post(LIST, hidden(page))["Location"] == change_url(user)
    assert states(user) == [(False, False)]


# What is done


@pytest.mark.parametrize(
    ("action", "before", "after", "reason"),
    [
        ("deactivate", {}, (False, False), "user_deactivated"),
        ("activate", {"is_active": False}, (True, False), ""),
        ("soft_delete", {}, (True, True), "user_deleted"),
        ("restore", {"deleted_at": GONE}, (True, False), ""),
        ("end_sessions", KEPT, (True, False), "ended_by_operator"),
    ],
)
def test_what_an_action_does(
    admin, root, pushes, audits, action, before, after, reason
):
    """As the methods of one user do it: the state, the epoch, the push, the history,
    and one event for each and one for all."""
    users = sorted((UserFactory(**before) for _ in range(3)), key=lambda u: u.pk)
    updated = users[0].updated_at
    assert act(admin, action, *users)[0].startswith("3 users ")
    assert states(*users) == [after] * 3
    epoch = EPOCH + 1 if reason else EPOCH
    for user in users:
        user.refresh_from_db()
        found = (user.session_epoch, user.kept_sid, user.kept_from, user.password_epoch)
        assert found == (epoch, None, None, 0)
        entry = LogEntry.objects.get(object_id=str(user.pk))
        assert (entry.user_id, entry.object_repr) == (root.pk, user.email)
    assert users[0].updated_at > updated
    ids = [str(user.pk) for user in users]
    for push in pushes:
        assert sorted(push.pop("user_ids")) == ids
    assert pushes == ([{"epoch": epoch, "reason": reason}] if reason else [])
    *each, count = audits()
    assert sorted((e.event, e.user_id, e.by) for e in each) == [
        (f"user_{action}", user_id, str(root.pk)) for user_id in ids
    ]
    assert (count.event, count.action, count.users) == ("users_changed", action, 3)


@pytest.mark.parametrize("count", [1, 30])
def test_any_number_takes_the_same_statements(
    admin, pushes, count, django_assert_num_queries
):
    """For 5,000 users: look for superusers, lock and change them all, and queue their
    mails, in one transaction."""
    users = [UserFactory() for _ in range(count)]
    ids = [user.pk for user in users]
    editor = User.objects.get(username="root")
    act(admin, "activate", users[0])  # the content type is known from here on
    with django_assert_num_queries(6 + 2):  # two are the savepoint's
        bulk.run(bulk.CHANGES[0], ids, editor)
    assert len(pushes) == 1


def test_a_restored_user_who_is_not_active_is_not_invited_to_log_in(root):
    active, inactive = UserFactory(), UserFactory(is_active=False)
    for user in (active, inactive):
        user.soft_delete()
    bulk.run(BY_NAME["restore"], [active.pk, inactive.pk], root)
    assert [mail.user for mail in Mail.objects.filter(kind="restored")] == [active]


# Whose


def test_rights_that_the_editor_lacks_are_a_superusers(clerk, pushes):
    """Also a role that was given after the page that asks was shown."""
    plain, late, staff = UserFactory(), UserFactory(), UserFactory(is_staff=True)
    form = hidden(ask(clerk, "deactivate", plain, late, staff))
    late.groups.add(Role.objects.create(name="finance"))
    assert said(clerk.post(LIST, form)) == [
        "1 user deactivated.",
        "Left out: 2 users, not yours to change or deactivated already.",
    ]
    assert states(plain, late, staff) == [(False, False), (True, False), (True, False)]
