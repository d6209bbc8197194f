"""The admin: logins, passwords, rights, errors; through the pages it shows."""

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.db import OperationalError
from django.test import Client

from shared.api.exceptions import RateLimited
from shared.auth import device_cookie
from tests.admin_pages import (
    ADD,
    LIST,
    NEW_USER,
    OWN_PASSWORD,
    OWN_PASSWORD_PAGE,
    act,
    browser_of,
    change_url,
    fields,
    new_password,
    password_url,
    url,
)
from tests.factories import EPOCH, NEW, PASSWORD, UserFactory, hashed
from tests.guesses import HERE, admin_log_in
from users import credentials, hashing_pool
from users.accounts import deletion
from users.models import Role, User


@pytest.fixture
def keeper():
    """Staff who may change every user and every role, but is no superuser."""
    user = UserFactory(is_staff=True)
    names = ("user", "role", "group")
    user.user_permissions.set(Permission.objects.filter(content_type__model__in=names))
    return browser_of(user)


# Login


@pytest.mark.parametrize("target", ["/admin/", "//evil.example/"])
def test_staff_log_in_by_email_and_get_to_the_admin(client, root, target):
    """Also if the login replaces an older hash: the session lasts."""
    User.objects.update(password=hashed(PASSWORD, "pbkdf2_sha256"))
    answer = admin_log_in("ROOT@Example.org", PASSWORD, client=client, target=target)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert User.objects.get().password.startswith("argon2$")
    assert "Users and roles" in client.get("/admin/").content.decode()


def test_the_cookies_are_the_admins_alone(client, root):
    client.get("/admin/login/")
    admin_log_in(root.email, PASSWORD, client=client)
    act(client, "activate", UserFactory())  # leaves a message
    assert {name: cookie["samesite"] for name, cookie in client.cookies.items()} == {
        "memo_admin_session": "Lax",
        "memo_admin_csrf": "Lax",
        device_cookie.name(): "Strict",
    }
    for cookie in client.cookies.values():
        is_device = cookie.key == device_cookie.name()
        assert cookie["path"] == ("/" if is_device else "/admin/")
        assert cookie["httponly"]
        assert bool(cookie["secure"]) == django_settings.COOKIE_SECURE


def test_the_api_sets_no_cookie(client):
    for path in ("/api/v1/users/me", "/api/v1/users/health/live"):
        assert not client.get(path).cookies


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("email", {"is_staff": False}),
        ("email", {"is_active": False}),
        ("email", {"deleted_at": "2026-01-31T12:00:00Z"}),
        ("username", {}),
    ],
    ids=["no staff", "inactive", "deleted", "by username"],
)
def test_others_do_not_get_in(client, name, fields):
    user = UserFactory(**{"is_staff": True, **fields})
    response = admin_log_in(getattr(user, name), PASSWORD, client=client)
    assert response.status_code == 200
    assert "Please enter the correct" in response.content.decode()
    assert client.get(LIST).status_code == 302


def test_logins_are_audited_without_what_was_typed(root, audits, caplog):
    admin_log_in("canary@example.org")
    admin_log_in(root.email, PASSWORD)
    assert audits("event", "user_id", "ip") == [
        ("authn_login_fail", None, HERE),
        ("authn_login_success", str(root.pk), HERE),
    ]
    assert "canary" not in caplog.text


@pytest.mark.parametrize("end", ["deactivate", "soft_delete", "end_sessions"])
def test_what_ends_the_sessions_ends_those_of_the_admin(admin, root, end):
    """Also when the user is made active again: the epoch stays raised."""
    assert admin.get(LIST).status_code == 200
    getattr(root, end)()
    assert admin.get(LIST)["Location"].startswith("/admin/login/")
    root.activate()
    deletion.restore(root)
    assert admin.get(LIST).status_code == 302


def test_a_form_without_its_token_is_refused(root):
    client = Client(enforce_csrf_checks=True)
    response = admin_log_in(root.email, PASSWORD, client=client)
    assert response.status_code == 403
    assert "CSRF" in response.content.decode()


# Password forms


@pytest.mark.parametrize(
    "form",
    [{}, {"usable_password": "false", "unset-password": "1"}],
    ids=["another", "none"],
)
def test_the_password_form_ends_the_sessions(admin, on_commit, pushes, form):
    user = UserFactory()
    with on_commit():
        body = new_password(user, **form)
        assert admin.post(password_url(user), body).status_code == 302
    user.refresh_from_db()
    is_new = not form
    assert user.has_usable_password() == user.check_password(NEW) == is_new
    assert user.session_epoch == user.password_epoch == EPOCH + 1
    assert pushes == [
        {"user_ids": [str(user.pk)], "epoch": EPOCH + 1, "reason": "password_changed"}
    ]


def test_the_password_form_knows_the_user(admin):
    user = UserFactory(username="wilhelmina")
    body = dict.fromkeys(("password1", "password2"), "wilhelmina1")
    response = admin.post(password_url(user), new_password(user, **body))
    assert response.status_code == 200
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_your_own_password_is_changed_where_the_current_one_is_asked(admin, root):
    for answer in (
        admin.get(password_url(root)),
        admin.post(password_url(root), new_password(root)),
    ):
        assert (answer.status_code, answer["Location"]) == (302, OWN_PASSWORD_PAGE)
    assert User.objects.get().check_password(PASSWORD)


# What staff may not


def test_staff_may_neither_give_rights_nor_delete(clerk):
    user, role = UserFactory(), Role.objects.create(name="editor")
    sent = {"is_staff": "on", "is_superuser": "on", "groups": [role.pk]}
    assert clerk.post(change_url(user), fields(user, **sent)).status_code == 302
    for action in ("soft_delete", "deactivate"):  # the second is a change
        act(clerk, action, user)
    user = User.objects.with_roles().get(pk=user.pk)
    assert (user.is_staff, user.is_superuser, user.roles) == (False, False, [])
    assert (user.is_deleted, user.is_active) == (False, False)


def test_a_user_who_is_no_superuser_gives_no_role_more_rights(keeper):
    role = Role.objects.create(name="editor")
    everything = [*Permission.objects.values_list("pk", flat=True)]
    body = {"name": role.name, "permissions": everything}
    for page in (url("users_role_change", role.pk), url("users_role_add")):
        assert keeper.post(page, body).status_code == 403
    assert not role.permissions.exists()


# The audit log


def test_what_an_admin_gives_and_makes_is_audited(admin, root, audits, caplog):
    """LOG-02: accounts, rights and roles, and by whom."""
    user, role = UserFactory(), Role.objects.create(name="editor")
    admin.post(ADD, NEW_USER)
    admin.post(change_url(user), fields(user, is_staff="on", groups=[role.pk]))
    created, column, table = audits()
    assert (created.event, created.by) == ("user_created", str(root.pk))
    assert column.event == table.event == "privilege_permissions_changed"
    assert (column.fields, table.fields) == (["is_staff"], ["groups"])
    assert table.by == str(root.pk)
    pages = [r.caller for r in caplog.records if r.name == "memo.access"]
    assert pages == [str(root.pk)] * 2


# Errors are pages


def test_what_is_forbidden_or_absent_is_a_page(clerk, audits):
    statuses = {"/admin/users/role/": 403, "/admin/nothing/": 404}
    for path, status in statuses.items():
        response = clerk.get(path)
        assert response.status_code == status
        assert response["Content-Type"].startswith("text/html")
        assert 'class="errornote"' in response.content.decode()  # in the admin's look
    [record] = audits()
    assert record.event == "authz_fail"
    assert record.caller


@pytest.mark.parametrize("form", ["login", "password", "own password", "new user"])
def test_an_overloaded_process_says_so_at_once(admin, root, form, full_pool):
    user = User.objects.create(email="ada@example.org", username="ada")
    page, body = {
        "login": ("/admin/login/", {"username": root.email, "password": PASSWORD}),
        "password": (password_url(user), new_password(user)),
        "own password": (OWN_PASSWORD_PAGE, OWN_PASSWORD),
        "new user": (ADD, NEW_USER),
    }[form]
    admin.raise_request_exception = False
    response = admin.post(page, body)
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "Too many requests at once" in response.content.decode()
    assert set(User.objects.values_list("pk", "password")) == {
        (each.pk, each.password) for each in (root, user)
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 second"),
        (60, "60 seconds"),
        (61, "2 minutes"),
        (3601, "2 hours"),
        (86401, "2 days"),
    ],
)
@pytest.mark.parametrize("page", [ADD, "/admin/login/", OWN_PASSWORD_PAGE])
def test_a_limit_is_a_page_that_says_how_long_to_wait(
    admin, monkeypatch, page, seconds, text
):
    def refuse(*args, **kwargs):
        raise RateLimited(seconds)

    monkeypatch.setattr(hashing_pool.PasswordHashingPool, "run", refuse)
    monkeypatch.setattr(credentials, "authenticate", refuse)
    monkeypatch.setattr(credentials, "verify_current_password", refuse)
    login = {"username": "root@example.org", "password": PASSWORD}
    answer = admin.post(
        page, NEW_USER | OWN_PASSWORD | (login if "in/" in page else {})
    )
    assert (answer.status_code, answer["Retry-After"]) == (429, str(seconds))
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert f"Too many attempts. Try again in {text}." in answer.content.decode()


def test_an_unavailable_database_is_a_page(admin, monkeypatch):
    """Nothing of the page may ask it."""

    def refuse(*args, **kwargs):
        raise OperationalError

    admin.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr("django.db.backends.utils.CursorWrapper.execute", refuse)
        answer = admin.get(LIST)
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    page = answer.content.decode()
    assert "Try again in 1 second." in page
    assert "did not answer. Try again. Try again" not in page
