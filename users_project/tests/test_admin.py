"""The admin: logins, passwords, rights, errors; through the pages it shows."""

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from shared.auth import device_cookie
from tests.admin_pages import (
    ADD,
    LIST,
    NEW_PASSWORD,
    act,
    change_url,
    fields,
    log_in,
    messages,
    new,
    password_url,
)
from tests.factories import EPOCH, PASSWORD, RoleFactory, UserFactory
from users import hashing_pool
from users.models import Role, User

pytestmark = pytest.mark.django_db


# Log-in


def test_staff_log_in_by_email_in_any_case(client, root):
    response = log_in(client, "ROOT@Example.org")
    assert response.status_code == 302
    assert response["Location"] == "/admin/"
    page = client.get("/admin/").content.decode()
    assert "Memo" in page
    assert "Users and roles" in page
    assert "Roles" in page


def test_a_log_in_leads_nowhere_else(client, root):
    body = {"username": root.email, "password": PASSWORD, "next": "//evil.example/"}
    assert client.post("/admin/login/", body)["Location"] == "/admin/"


def test_the_cookies_are_the_admins_alone(client, root):
    client.get("/admin/login/")
    log_in(client, root.email)
    act(client, "activate", UserFactory())  # leaves a message
    assert {name: cookie["samesite"] for name, cookie in client.cookies.items()} == {
        "memo_admin_session": "Lax",
        "memo_admin_csrf": "Lax",
        device_cookie.name(): "Strict",
    }
    for cookie in client.cookies.values():
        assert cookie["path"] == "/admin/"
        assert cookie["httponly"]
        assert bool(cookie["secure"]) == django_settings.COOKIE_SECURE


def test_the_api_sets_no_cookie(client):
    for path in ("/api/v1/users/me", "/api/v1/users/health/live"):
        assert not client.get(path).cookies


@pytest.mark.parametrize(
    "who",
    [
        {"is_staff": False},
        {"is_staff": True, "is_active": False},
        {"is_staff": True, "deleted_at": "2026-01-31T12:00:00Z"},
    ],
    ids=["no staff", "inactive", "deleted"],
)
def test_others_do_not_get_in(client, who):
    user = UserFactory(**who)
    response = log_in(client, user.email)
    assert response.status_code == 200
    assert "Please enter the correct" in response.content.decode()
    assert client.get(LIST).status_code == 302


def test_log_ins_are_audited_without_what_was_typed(client, root, caplog):
    with caplog.at_level("INFO", logger="memo.audit"):
        log_in(client, "nobody@example.org")
        log_in(client, root.email)
    failed, succeeded = (r for r in caplog.records if r.name == "memo.audit")
    assert (failed.event, failed.user_id) == ("authn_login_fail", None)
    assert succeeded.event == "authn_login_success"
    assert succeeded.user_id == str(root.pk)
    assert succeeded.ip == "127.0.0.1"
    assert "nobody" not in caplog.text


def test_what_an_admin_gives_and_makes_is_audited(admin, root, caplog):
    """LOG-02: accounts, rights and roles, and by whom."""
    user, role = UserFactory(), RoleFactory()
    fresh = {"email": "new@example.org", "username": "new"}
    passwords = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    with caplog.at_level("INFO"):
        admin.post(ADD, fresh | passwords | {"usable_password": "true"})
        admin.post(change_url(user), fields(user, is_staff="on", groups=[role.pk]))

    created, column, table = (r for r in caplog.records if r.name == "memo.audit")
    assert (created.event, created.by) == ("user_created", str(root.pk))
    assert column.event == table.event == "privilege_permissions_changed"
    assert (column.fields, table.fields) == (["is_staff"], ["groups"])
    assert table.by == str(root.pk)
    pages = [r.caller for r in caplog.records if r.name == "memo.access"]
    assert pages == [str(root.pk)] * 2


def test_a_username_is_no_log_in(client, root):
    assert log_in(client, root.username).status_code == 200


@pytest.mark.parametrize("act", ["deactivate", "soft_delete"])
def test_a_session_ends_with_its_user(admin, root, act):
    assert admin.get(LIST).status_code == 200
    getattr(root, act)()
    response = admin.get(LIST)
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_a_log_in_upgrades_the_hash_and_lasts(client, root):
    old = make_password(PASSWORD, hasher="pbkdf2_sha256")
    User.objects.filter(pk=root.pk).update(password=old)
    log_in(client, root.email)
    root.refresh_from_db()
    assert root.password.startswith("argon2$")
    assert root.session_epoch == EPOCH
    assert client.get(LIST).status_code == 200


def test_a_form_without_its_token_is_refused(root):
    client = Client(enforce_csrf_checks=True)
    response = log_in(client, root.email)
    assert response.status_code == 403
    assert "CSRF" in response.content.decode()


# Password forms


def test_the_password_form_ends_the_sessions(admin, on_commit, pushes):
    user = UserFactory()
    body = {"usable_password": "true"}
    body |= {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    with on_commit():
        response = admin.post(password_url(user), body)
    assert response.status_code == 302
    user.refresh_from_db()
    assert user.check_password(NEW_PASSWORD)
    assert user.session_epoch == user.password_epoch == EPOCH + 1
    assert pushes == [
        {"user_id": str(user.pk), "epoch": EPOCH + 1, "reason": "password_changed"}
    ]


def test_the_password_form_can_take_the_password_away(admin):
    user = UserFactory()
    body = {"usable_password": "false", "unset-password": "1"}
    admin.post(password_url(user), body)
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert user.session_epoch == user.password_epoch == EPOCH + 1


def test_the_password_form_knows_the_user(admin):
    user = UserFactory(username="wilhelmina")
    body = {"usable_password": "true"}
    body |= {"password1": "wilhelmina1", "password2": "wilhelmina1"}
    response = admin.post(password_url(user), body)
    assert response.status_code == 200
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_ones_own_password_ends_ones_sessions_but_not_this_one(admin, root):
    body = {"old_password": PASSWORD}
    body |= {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert admin.post("/admin/password_change/", body).status_code == 302
    root.refresh_from_db()
    assert root.check_password(NEW_PASSWORD)
    assert root.session_epoch == root.password_epoch == EPOCH + 1
    assert admin.get(LIST).status_code == 200


# What staff may not


def test_staff_may_not_give_rights(clerk):
    user = UserFactory()
    role = RoleFactory()
    sent = {"is_staff": "on", "is_superuser": "on", "groups": [role.pk]}
    assert clerk.post(change_url(user), fields(user, **sent)).status_code == 302
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert not user.groups.exists()


def test_staff_may_not_touch_a_superuser(clerk, root):
    body = {"usable_password": "true"}
    body |= {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert clerk.post(password_url(root), body).status_code == 403
    taken_over = fields(root, email="clerk@example.org")
    assert clerk.post(change_url(root), taken_over).status_code == 403
    assert "not yours" in messages(act(clerk, "deactivate", root))[0]
    after = User.objects.get(pk=root.pk)
    assert (after.email, after.is_active) == ("root@example.org", True)
    assert after.check_password(PASSWORD)


def test_deleting_needs_its_own_right(clerk):
    user = UserFactory()
    act(clerk, "soft_delete", user)
    act(clerk, "deactivate", user)
    user.refresh_from_db()
    assert (user.is_deleted, user.is_active) == (False, False)


# Roles


def test_roles_are_groups_with_their_members(admin):
    UserFactory(roles=["editor"])
    page = admin.get("/admin/users/role/").content.decode()
    assert "editor" in page
    assert '<td class="field-members">1</td>' in page
    assert admin.post("/admin/users/role/add/", {"name": "author"}).status_code == 302
    assert Role.objects.filter(name="author").exists()
    assert admin.get("/admin/auth/group/").status_code == 404


# Errors are pages here


@pytest.mark.parametrize("path", ["/admin/nothing/", f"{LIST}no-id/change/"])
def test_what_is_not_there_is_a_page(admin, path):
    response = admin.get(path, follow=True)
    assert response["Content-Type"].startswith("text/html")
    assert response.status_code == (404 if "nothing" in path else 200)


def test_what_is_forbidden_is_a_page(clerk):
    response = clerk.get("/admin/users/role/")
    assert response.status_code == 403
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "Not allowed." in response.content.decode()


@pytest.mark.parametrize("form", ["log-in", "password", "own password", "new user"])
def test_an_overloaded_process_says_so_at_once(admin, root, form):
    user = UserFactory()
    pair = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    own = {"old_password": PASSWORD}
    own |= {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    url, body = {
        "log-in": ("/admin/login/", {"username": root.email, "password": PASSWORD}),
        "password": (password_url(user), {"usable_password": "true", **pair}),
        "own password": ("/admin/password_change/", own),
        "new user": (ADD, new()),
    }[form]
    while hashing_pool.pool().slots.acquire(blocking=False):
        pass
    admin.raise_request_exception = False
    response = admin.post(url, body)
    assert response.status_code == 503
    assert response["Retry-After"] == "1"
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "Too many requests at once" in response.content.decode()
    assert User.objects.count() == 2


@pytest.mark.parametrize("act", [User.end_sessions, User.deactivate])
def test_what_ends_the_sessions_ends_those_of_the_admin(act, admin, root):
    """Also when the user is made active again: the epoch stays raised."""
    assert admin.get(LIST).status_code == 200
    act(root)
    root.activate()
    assert admin.get(LIST).status_code == 302


# Rights are not to be taken


@pytest.fixture
def keeper(client):
    """Staff who may change everybody and every role, but is no superuser."""
    user = UserFactory(is_staff=True)
    names = ("user", "role", "group")
    user.user_permissions.set(Permission.objects.filter(content_type__model__in=names))
    client.force_login(user)
    return client


def test_who_is_no_superuser_gives_no_role_more_rights(keeper):
    role = RoleFactory()
    page = reverse("admin:users_role_change", args=[role.pk])
    everything = [*Permission.objects.values_list("pk", flat=True)]
    body = {"name": role.name, "permissions": everything}
    assert keeper.post(page, body).status_code == 403
    assert keeper.post(reverse("admin:users_role_add"), body).status_code == 403
    assert not role.permissions.exists()


def test_who_is_no_superuser_takes_nobodys_rights_over(keeper):
    """By their password, their address, or their sessions."""
    staff, person = UserFactory(is_staff=True), UserFactory()
    new = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    new |= {"usable_password": "true"}
    assert keeper.post(password_url(staff), new).status_code == 403
    assert (
        keeper.post(change_url(staff), fields(staff, email="e@x.io")).status_code == 403
    )
    staff.refresh_from_db()
    assert staff.check_password(PASSWORD)
    assert keeper.post(password_url(person), new).status_code == 302


def test_what_a_role_is_is_audited(admin, root, caplog):
    """LOG-02; and so is who was refused."""
    with caplog.at_level("INFO", logger="memo.audit"):
        admin.post(reverse("admin:users_role_add"), {"name": "editors"})
        role = Role.objects.get(name="editors")
        admin.post(reverse("admin:users_role_change", args=[role.pk]), {"name": "e"})
        admin.post(reverse("admin:users_role_delete", args=[role.pk]), {"post": "yes"})
    told = [(r.event, r.what) for r in caplog.records if r.name == "memo.audit"]
    event = "privilege_permissions_changed"
    assert told == [(event, "added"), (event, "changed"), (event, "deleted")]


def test_a_refusal_is_audited_with_who_asked(keeper, caplog):
    with caplog.at_level("INFO", logger="memo.audit"):
        assert keeper.get(reverse("admin:users_role_add")).status_code == 403
    [record] = [r for r in caplog.records if r.name == "memo.audit"]
    assert record.event == "authz_fail"
    assert record.caller
