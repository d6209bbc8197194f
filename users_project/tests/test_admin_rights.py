"""Rights in the admin: the events of each change, and who may change whom."""

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command

from tests.admin_pages import (
    act,
    browser_of,
    change_url,
    errors,
    fields,
    new_password,
    password_url,
    url,
)
from tests.factories import NEW, PASSWORD, UserFactory
from users.admin.versions import version_of
from users.models import Role, User

EVENT = "privilege_permissions_changed"


# Events


def test_one_save_leaves_an_event_for_each_of_what_happened(admin, root, audits):
    user, role = UserFactory(), Role.objects.create(name="editor")
    right = Permission.objects.get(codename="view_user")
    body = fields(user, is_staff="on", is_superuser="on", email="b@example.org")
    body |= {"groups": [role.pk], "user_permissions": [right.pk]}
    del body["is_active"]
    assert not errors(admin.post(change_url(user), body))
    by, flags = str(root.pk), ["is_staff", "is_superuser"]
    found = {
        (line.event, *getattr(line, "fields", [])): (
            getattr(line, "added", None),
            getattr(line, "removed", None),
        )
        for line in audits()
    }
    assert found == {
        (EVENT, *flags): (flags, []),
        (EVENT, "groups", "user_permissions"): (["editor", "users.view_user"], []),
        ("user_updated", "email"): (None, None),
        ("user_deactivate",): (None, None),
    }
    assert {line.user_id for line in audits()} == {str(user.pk)}
    assert [line.by for line in audits() if line.event == "user_deactivate"] == [by]


def test_what_is_taken_is_an_event_too(admin, audits):
    user = UserFactory(is_active=False, is_staff=True, roles=["editor", "finance"])
    kept = Role.objects.get(name="editor")
    body = fields(user, is_staff=None, is_active="on", groups=[kept.pk])
    assert not errors(admin.post(change_url(user), body))
    rights = [line for line in audits() if line.event == EVENT]
    assert [(line.added, line.removed) for line in rights] == [
        ([], ["is_staff"]),
        ([], ["finance"]),
    ]
    assert audits("event")[-2:] == [("user_activate",), (EVENT,)]


def test_a_save_without_a_change_leaves_no_event(admin, audits):
    user = UserFactory(roles=["editor"])
    role = Role.objects.get()
    body = {"name": role.name, "version": version_of(role)}
    assert not errors(admin.post(change_url(user), fields(user, groups=[role.pk])))
    assert not errors(admin.post(url("users_role_change", role.pk), body))
    assert audits() == []


def test_a_new_superuser_is_an_event(audits, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    names = {"email": "root@example.org", "username": "root"}
    call_command("createsuperuser", interactive=False, **names)
    created, given = audits()
    assert (created.event, given.event) == ("user_created", EVENT)
    assert given.added == ["is_staff", "is_superuser"]


def test_a_role_is_audited_with_its_permissions(admin, audits):
    see, change = Permission.objects.filter(
        codename__in=["view_user", "change_user"], content_type__app_label="users"
    ).order_by("-codename")
    admin.post(url("users_role_add"), {"name": "editor", "permissions": [see.pk]})
    role = Role.objects.get()
    body = {"name": "writer", "permissions": [change.pk], "version": version_of(role)}
    admin.post(url("users_role_change", role.pk), body)
    admin.post(url("users_role_delete", role.pk), {"post": "yes"})
    found = audits("what", "role", "added", "removed")
    assert found == [
        ("added", "editor", ["users.view_user"], []),
        ("changed", "writer", ["users.change_user"], ["users.view_user"]),
        ("deleted", "writer", [], ["users.change_user"]),
    ]
    assert audits()[1].was == "editor"


# Who may change whom

MORE = {
    "a role": {"roles": ["finance"]},
    "a second role": {"roles": ["editor", "finance"]},
    "a permission": {"permission": "delete_user"},
    "staff": {"is_staff": True},
    "superuser": {"is_superuser": True},
}


@pytest.fixture
def editor():
    """Staff who may change users, in one role and with a permission of its."""
    user = UserFactory(is_staff=True, roles=["editor"])
    rights = Permission.objects.filter(content_type__app_label="users")
    user.user_permissions.set(rights.filter(codename__in=["view_user", "change_user"]))
    Role.objects.get().permissions.set(rights.filter(codename="view_role"))
    return browser_of(user)


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_what_the_editor_lacks_is_not_taken_over(
    editor, more, django_assert_max_num_queries
):
    permission = (more := dict(more)).pop("permission", None)
    user = UserFactory(**more)
    if permission:
        user.user_permissions.add(Permission.objects.get(codename=permission))
    before = User.objects.filter(pk=user.pk).values().get()
    with django_assert_max_num_queries(14):
        page = editor.get(change_url(user))
    assert "A superuser can change them." in page.content.decode()
    assert 'name="_save"' not in page.content.decode()
    body = fields(user, email="thief@example.org", is_active=None)
    assert editor.post(change_url(user), body).status_code == 403
    assert editor.post(password_url(user), new_password(user)).status_code == 403
    assert editor.get(password_url(user)).status_code == 403
    for name in ("sessions", "locks"):
        target = url(f"users_user_{name}", user.pk)
        assert editor.post(target, {"everywhere": "1"}).status_code == 403
    for action in ("deactivate", "end_sessions"):
        act(editor, action, user)
    assert User.objects.filter(pk=user.pk).values().get() == before


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"roles": ["editor"]},
        {"permission": "view_user"},
        {"permission": "view_role"},
    ],
    ids=["nothing", "the role", "the permission", "one of the role"],
)
def test_what_the_editor_has_too_may_be_changed(
    editor, same, django_assert_max_num_queries
):
    permission = (same := dict(same)).pop("permission", None)
    user = UserFactory(**same)
    if permission:
        rights = Permission.objects.filter(content_type__app_label="users")
        user.user_permissions.add(rights.get(codename=permission))
    with django_assert_max_num_queries(16):
        assert "superuser can" not in editor.get(change_url(user)).content.decode()
    body = fields(user, display_name="Ada")
    with django_assert_max_num_queries(40):
        assert not errors(editor.post(change_url(user), body))
    assert not errors(editor.post(password_url(user), new_password(user)))
    assert User.objects.get(pk=user.pk).check_password(NEW)


def test_the_rule_for_many_is_the_rule_for_one(root):
    """`modifiable_by`, which the pages ask about one."""
    clerk = UserFactory(is_staff=True, roles=["editor"])
    plain, same = UserFactory(), UserFactory(roles=["editor"])
    others = [UserFactory(roles=["finance"]), UserFactory(is_staff=True), root, clerk]
    others.append(UserFactory())
    others[-1].user_permissions.add(Permission.objects.first())
    assert {*User.objects.modifiable_by(clerk)} == {plain, same}
    assert {*User.objects.modifiable_by(root)} == {plain, same, *others}
