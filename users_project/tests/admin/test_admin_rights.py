"""Rights in the admin: of a role, and who may change whom."""

import pytest
from django.contrib.auth.models import Permission

from tests.admin_pages import (
    ADD,
    NEW_USER,
    act,
    browser_of,
    change_url,
    errors,
    fields,
    new_password,
    password_url,
    url,
)
from tests.factories import NEW, UserFactory
from users.admin.versions import version_of
from users.models import Role, User


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


def test_a_role_that_needs_a_factor_is_not_lost_unnoticed(admin, settings):
    """By its page or the list. A save with the same name warns of nothing."""
    names = settings.SECOND_FACTOR_ROLES = ["finance", "clerk", "boss"]
    finance, clerk, boss = [Role.objects.create(name=name) for name in names]
    page, version = url("users_role_change", finance.pk), version_of(finance)
    ticked = {"action": "delete_selected", "_selected_action": [boss.pk]}
    lost = {
        "": (page, {"name": "finance", "version": version}),
        "finance": (page, {"name": "money", "version": version}),
        "clerk": (url("users_role_delete", clerk.pk), {}),
        "boss": (url("users_role_changelist"), ticked),
    }
    for name, (target, form) in lost.items():
        done = admin.post(target, form | {"post": "yes"}, follow=True)
        warnings = [x for x in done.context["messages"] if x.level_tag == "warning"]
        assert len(warnings) == bool(name)
        assert all(f"SECOND_FACTOR_ROLES names {name}," in str(x) for x in warnings)
    assert Role.objects.get().name == "money"


def test_the_deletion_of_a_role_reads_no_members(admin):
    UserFactory.create_batch(3, roles=["editor"])
    role = Role.objects.get()
    ticked = {"action": "delete_selected", "_selected_action": [role.pk]}
    pages = (
        admin.get(url("users_role_delete", role.pk)),
        admin.post(url("users_role_changelist"), ticked),
    )
    for page in pages:
        text = page.content.decode()
        assert "editor" in text
        assert "relationship" not in text
    done = admin.post(url("users_role_changelist"), ticked | {"post": "yes"})
    assert (done.status_code, Role.objects.count()) == (302, 0)


def test_who_may_not_change_users_adds_none():
    """Nor by the other way of Django, which asks for less."""
    clerk = browser_of(UserFactory(is_staff=True, permissions=["add_user"]))
    for page in (ADD, url("users_user_change", "x")):
        assert clerk.post(page, NEW_USER | {"_saveasnew": "1"}).status_code == 403
    assert User.objects.count() == 1


# Who may change whom

MORE = {
    "a role": {"roles": ["finance"]},
    "a second role": {"roles": ["editor", "finance"]},
    "a permission": {"permissions": ["delete_user"]},
    "staff": {"is_staff": True},
    "superuser": {"is_superuser": True},
}


@pytest.fixture
def editor():
    """Staff who may change users, in one role and with a permission of its."""
    own = ["view_user", "change_user"]
    user = UserFactory(is_staff=True, roles=["editor"], permissions=own)
    of_users = Permission.objects.filter(content_type__app_label="users")
    Role.objects.get().permissions.set(of_users.filter(codename="view_role"))
    return browser_of(user)


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_what_the_editor_lacks_is_not_taken_over(
    editor, more, django_assert_max_num_queries
):
    user = UserFactory(**more)
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
        {"permissions": ["view_user"]},
        {"permissions": ["view_role"]},
    ],
    ids=["nothing", "the role", "the permission", "one of the role"],
)
def test_what_the_editor_has_too_may_be_changed(
    editor, same, django_assert_max_num_queries
):
    user = UserFactory(**same)
    with django_assert_max_num_queries(16):
        assert "superuser can" not in editor.get(change_url(user)).content.decode()
    body = fields(user, display_name="Ada")
    with django_assert_max_num_queries(40):
        assert not errors(editor.post(change_url(user), body))
    assert not errors(editor.post(password_url(user), new_password(user)))
    assert User.objects.get(pk=user.pk).check_password(NEW)


def test_nobody_changes_their_own_address_here(root, admin):
    """Else whoever finds the page open takes the account: it would ask for no password,
    and no link would undo it."""
    body = fields(root, email="thief@example.org", display_name="Root")
    assert not errors(admin.post(change_url(root), body))
    stored = User.objects.get(pk=root.pk)
    assert (stored.email, stored.display_name) == (root.email, "Root")


def test_the_rule_for_many_is_the_rule_for_one(root):
    """`modifiable_by`, which the pages ask about one."""
    clerk = UserFactory(is_staff=True, roles=["editor"])
    plain, same = UserFactory(), UserFactory(roles=["editor"])
    others = [UserFactory(roles=["finance"]), UserFactory(is_staff=True), root, clerk]
    others.append(UserFactory(permissions=["view_user"]))
    assert {*User.objects.modifiable_by(clerk)} == {plain, same}
    assert {*User.objects.modifiable_by(root)} == {plain, same, *others}
