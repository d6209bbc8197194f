"""Saves in the admin: of a stale page, two at once, and the events they leave."""

import re
import threading
import time
from contextlib import suppress
from functools import partial

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError

from tests.admin_pages import (
    ADD,
    NEW_USER,
    OWN_PASSWORD,
    OWN_PASSWORD_PAGE,
    browser_of,
    change_url,
    errors,
    fields,
    new_password,
    password_url,
    url,
)
from tests.factories import NEW, PASSWORD, UserFactory, hashed
from users.admin.change_password import OUTDATED
from users.admin.users import UserAdmin
from users.admin.versions import VersionedForm, version_of
from users.models import Role, User
from users.passwords import credentials

# A stale page

MEANWHILE = {
    "is_active": (False, "Active, now off"),
    "is_staff": (False, "Staff, now off"),
    "is_superuser": (True, "Superuser status, now on"),
    "email": ("b@example.org", "E-mail address, now b@example.org"),
    "username": ("bob", "Username, now bob"),
    "display_name": ("", "Display name, now empty"),
    "last_name": ("<b>", "Last name, now <b>"),
    "email_verified_at": ("2026-01-30T12Z", "Email verified at, now 2026-01-30"),
    "deleted_at": ("2026-01-31T12Z", "Deleted at, now 2026-01-31"),
    "password": (hashed(NEW), "Changed meanwhile: Password."),
}


@pytest.mark.parametrize("page", ["change", "password"])
def test_a_stale_page_changes_nothing_and_says_what_has_changed(admin, page):
    """Also the same page again: it stays stale."""
    user = UserFactory(is_staff=True, display_name="Ada")
    target, body = {
        "change": (change_url(user), fields(user, display_name="Countess")),
        "password": (password_url(user), new_password(user)),
    }[page]
    for name, (value, _) in MEANWHILE.items():
        setattr(user, name, value)
    user.save()
    User.objects.filter(pk=user.pk).update(email_verified_at="2026-01-30T12Z")
    before = User.objects.filter(pk=user.pk).values().get()
    for _ in range(2):
        response = admin.post(target, body)
        for _, text in MEANWHILE.values():
            assert text in errors(response)
        assert "Nothing was saved. Open the page again" in errors(response)
        assert errors(response).count("Changed meanwhile") == len(MEANWHILE)
        assert "argon2" not in errors(response)
        assert "<b>" not in re.sub(r"<b>\w", "", response.content.decode())
    assert User.objects.filter(pk=user.pk).values().get() == before


def test_roles_and_permissions_taken_meanwhile_are_not_given_back(admin):
    user = UserFactory(roles=["editor", "finance"], permissions=["view_user"])
    roles, rights = user.groups.all(), user.user_permissions.all()
    kept = Role.objects.get(name="editor")
    stale = fields(
        user,
        groups=[role.pk for role in roles],
        user_permissions=[right.pk for right in rights],
    )
    user.groups.set([kept.pk])
    user.user_permissions.clear()
    said = errors(admin.post(change_url(user), stale))
    assert "Roles, now editor." in said
    assert "User permissions, now empty." in said
    assert [*user.groups.values_list("name", flat=True)] == ["editor"]
    assert not user.user_permissions.exists()


def test_a_login_meanwhile_is_no_other_version(admin):
    user = UserFactory()
    body = fields(user, display_name="Ada")
    User.objects.filter(pk=user.pk).update(last_login="2026-01-31T12Z")
    user.end_sessions()
    assert not errors(admin.post(change_url(user), body))


def test_a_stale_page_of_a_role_changes_nothing(admin):
    role = Role.objects.create(name="editor")
    right = Permission.objects.get(codename="view_user")
    role.permissions.add(right)
    page = url("users_role_change", role.pk)
    body = {"name": "editors", "permissions": [right.pk], "version": version_of(role)}
    Role.objects.update(name="writer")
    role.permissions.clear()
    said = errors(admin.post(page, body))
    assert "Name, now writer." in said
    assert "Permissions, now empty." in said
    role.refresh_from_db()
    assert (role.name, role.permissions.count()) == ("writer", 0)
    role.delete()
    admin.post(page, body)
    assert not Role.objects.exists()


@pytest.mark.parametrize("version", [None, "", "x:y", "another user's", "a role's"])
def test_a_page_without_its_own_version_is_refused(admin, root, version):
    user, role = UserFactory(), Role.objects.create(name="editor")
    foreign = {"another user's": version_of(root), "a role's": version_of(role)}
    body = fields(user, is_staff="on", version=foreign.get(version, version))
    said = errors(admin.post(change_url(user), body))
    assert "does not say which version" in said
    assert not User.objects.get(pk=user.pk).is_staff


def test_pages_carry_their_version(admin):
    """What the browser gets is what the tests above send."""
    user, role = UserFactory(roles=["editor"]), Role.objects.get(name="editor")
    pages = {change_url(user): user, password_url(user): user}
    pages[url("users_role_change", role.pk)] = role
    for page, row in pages.items():
        text = admin.get(page).content.decode()
        row = type(row).objects.get(pk=row.pk)
        assert f'name="version" value="{version_of(row)}"' in text
        assert row.pk is None or version_of(row) not in admin.get(ADD).content.decode()


def test_ones_own_password_undoes_none_that_an_operator_sets(
    admin, root, at_once, monkeypatch
):
    """Knowing the old one is then no proof any more."""
    verify = credentials.verify_current_password

    def set_meanwhile(*args):
        right = verify(*args)
        at_once(lambda: User.objects.update(password=hashed("of the operator")))
        return right

    monkeypatch.setattr(credentials, "verify_current_password", set_meanwhile)
    said = errors(admin.post(OWN_PASSWORD_PAGE, OWN_PASSWORD))
    assert said == OUTDATED
    assert User.objects.get().check_password("of the operator")


def test_ones_own_password_keeps_no_session_that_is_ended_meanwhile(
    admin, root, at_once, pushes, monkeypatch
):
    """Somebody who has the session and the password changes it at that moment."""
    verify = credentials.verify_current_password

    def log_out_meanwhile(*args):
        right = verify(*args)
        at_once(lambda: User.objects.raise_epoch(root.pk))
        return right

    monkeypatch.setattr(credentials, "verify_current_password", log_out_meanwhile)
    assert errors(admin.post(OWN_PASSWORD_PAGE, OWN_PASSWORD)) == OUTDATED
    assert admin.get("/admin/").status_code == 302
    assert User.objects.get().check_password(PASSWORD)


# Two saves at once


def save(browser, page, body):
    return errors(browser.post(page, body))


def test_of_two_saves_of_a_page_at_once_one_is_refused(at_once, root):
    """Also of a double click: nothing is undone in between."""
    user = UserFactory()
    for turn in range(4):
        bodies = [fields(user, display_name=f"{turn}{each}") for each in "ab"]
        acts = [partial(save, browser_of(root), change_url(user), b) for b in bodies]
        said = at_once(*acts)
        saved, refused = sorted(said)
        user.refresh_from_db()
        assert saved == ""
        assert f"Display name, now {user.display_name}." in refused
        assert user.display_name == f"{turn}{'ab'[said.index('')]}"


@pytest.mark.parametrize("flag", ["is_active", "is_superuser"])
def test_of_two_superusers_who_remove_each_other_by_the_form_one_stays(
    at_once, pushes, monkeypatch, flag
):
    """CONC-09."""
    ada, bob = (UserFactory(is_staff=True, is_superuser=True) for _ in range(2))
    checked, clean = threading.Barrier(2), VersionedForm.clean

    def meet(form):
        cleaned = clean(form)
        with suppress(threading.BrokenBarrierError):
            checked.wait(0.5)
        return cleaned

    monkeypatch.setattr(VersionedForm, "clean", meet)
    acts = [
        partial(save, browser_of(one), change_url(other), fields(other, **{flag: None}))
        for one, other in ((ada, bob), (bob, ada))
    ]
    saved, refused = sorted(at_once(*acts))
    assert (saved, refused) == ("", "You are no superuser any more.")
    assert User.objects.filter(**{flag: True}).count() == 1


@pytest.mark.parametrize("kind", ["add", "email", "rename"])
def test_of_eight_saves_of_one_name_at_once_the_others_read_that_it_is_taken(
    at_once, root, kind
):
    """An address, a role: made, or given to what there is."""
    root.groups.add(Role.objects.create(name="first"))
    acts = []
    for number in range(8):
        browser, user = browser_of(root), UserFactory()
        role = Role.objects.create(name=f"role {number}")
        target, body = {
            "add": (ADD, NEW_USER | {"usable_password": "false"}),  # no hash
            "email": (change_url(user), fields(user, email="Same@example.org")),
            "rename": (
                url("users_role_change", role.pk),
                {"name": "same", "version": version_of(role)},
            ),
        }[kind]
        acts.append(partial(save, browser, target, body))
    saved, *refused = sorted(at_once(*acts))
    assert saved == ""
    assert len(refused) == 7
    for text in refused:
        assert "taken" in text or "already exists" in text


def test_a_role_that_is_deleted_meanwhile_is_no_longer_a_choice(
    at_once, admin, monkeypatch
):
    """PostgreSQL looks at the end of a transaction, when the answer is written."""
    user, role = UserFactory(), Role.objects.create(name="editor")
    save = User.save

    def delete_first(self, *args, **kwargs):
        at_once(Role.objects.filter(pk=role.pk).delete)
        return save(self, *args, **kwargs)

    monkeypatch.setattr(User, "save", delete_first)
    said = errors(admin.post(change_url(user), fields(user, groups=[role.pk])))
    assert "is not one of the available choices" in said


@pytest.mark.parametrize("page", ["page", "list"])
def test_a_role_is_deleted_while_a_user_gets_it(at_once, root, monkeypatch, page):
    """The save has looked at the role and commits while the deletion waits for it."""
    user, role = UserFactory(), Role.objects.create(name="editor")
    given, log_change = threading.Event(), UserAdmin.log_change

    def slowly(*args):
        given.set()
        time.sleep(0.3)
        return log_change(*args)

    monkeypatch.setattr(UserAdmin, "log_change", slowly)
    body = fields(user, groups=[role.pk])
    target, form = {
        "page": (url("users_role_delete", role.pk), {}),
        "list": (
            url("users_role_changelist"),
            {"action": "delete_selected", "_selected_action": [role.pk]},
        ),
    }[page]

    def delete(browser):
        assert given.wait(5)
        return browser.post(target, form | {"post": "yes"}).status_code

    acts = [partial(save, browser_of(root), change_url(user), body)]
    acts += [partial(delete, browser_of(root))]
    assert at_once(*acts) == ["", 302]
    assert not Role.objects.exists()
    assert not user.groups.exists()


def test_createsuperuser_reads_that_a_name_was_taken_meanwhile(monkeypatch):
    clean = User.full_clean
    taken = []

    def take(self, *args, **kwargs):
        clean(self, *args, **kwargs)
        if not taken:
            taken.append(UserFactory(email="root@example.org"))

    monkeypatch.setattr(User, "full_clean", take)
    with pytest.raises(ValidationError, match="This e-mail address is taken"):
        User.objects.create_superuser("Root@example.org", "root", PASSWORD)
    assert User.objects.get() == taken[0]


@pytest.mark.parametrize(
    ("flag", "fault"),
    [
        ("is_active", "You cannot deactivate your own account."),
        ("is_staff", "You cannot end your own access."),
        ("is_superuser", "Another superuser can end your rights."),
    ],
)
def test_no_superuser_gives_up_the_own_rights(admin, root, flag, fault):
    """So one stays."""
    body = fields(root, **{flag: None})
    assert errors(admin.post(change_url(root), body)) == fault
    assert getattr(User.objects.get(), flag)


@pytest.mark.parametrize("usable", [True, False])
def test_forms_speak_of_what_there_is(admin, usable):
    user = UserFactory()
    if not usable:
        user.set_unusable_password()
        user.save()
    for page in (ADD, change_url(user), password_url(user)):
        text = admin.get(page).content.decode()
        for word in ("LDAP", "Single Sign-On", "SSO", "other backends"):
            assert word not in text, page
