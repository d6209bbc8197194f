"""The admin: logins, passwords, rights, errors; through the pages it shows."""

import pytest
from django.conf import settings as django_settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.db import DatabaseError, OperationalError
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
from tests.factories import EPOCH, PASSWORD, UserFactory, hashed
from tests.guesses import admin_log_in
from users.models import Role, User
from users.passwords import credentials, hashing_pool

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


@pytest.mark.parametrize("key", [r'"\000aaaaaaaa"', "a", "a" * 5000, "\u00e4" * 9])
def test_no_session_cookie_is_a_fault_of_ours(client, key):
    """INP-01. Django reads quotes and escapes, and PostgreSQL stores no null."""
    headers = {"cookie": f"memo_admin_session={key}"}
    assert client.get("/admin/login/", headers=headers).status_code == 200


@pytest.mark.parametrize("cookie", ["{own}; {other}", "{other}; {own}"])
def test_a_session_cookie_that_was_sent_twice_is_refused(admin, cookie):
    """COOK-08. A sibling domain cannot swap an operator's session. No cookie is
    cleared: that would leave only the sibling's."""
    name = django_settings.SESSION_COOKIE_NAME
    other = browser_of(UserFactory(is_staff=True)).cookies[name].value
    own = admin.cookies[name].value
    sent = cookie.format(own=f"{name}={own}", other=f"{name}={other}")
    answer = Client().get("/admin/", headers={"cookie": sent})
    assert (answer.status_code, {*answer.cookies}) == (400, set())
    text = answer.content.decode()
    assert "Bad Request" in text
    assert "delete the cookies of this site" in text
    alone = Client().get("/admin/", headers={"cookie": f"{name}={own}"})
    assert alone.status_code == 200


def test_the_api_sets_no_cookie(client):
    for path in ("/api/v1/users/me", "/api/v1/users/health/live"):
        assert not client.get(path).cookies


@pytest.mark.parametrize(("name", "is_staff"), [("email", False), ("username", True)])
def test_others_do_not_get_in(client, name, is_staff):
    user = UserFactory(is_staff=is_staff)
    response = admin_log_in(getattr(user, name), PASSWORD, client=client)
    assert response.status_code == 200
    assert "Please enter the correct" in response.content.decode()
    assert client.get(LIST).status_code == 302


def test_what_ends_the_sessions_ends_those_of_the_admin(admin, root):
    """Also when the user is made active again: the epoch stays raised."""
    assert admin.get(LIST).status_code == 200
    root.deactivate()
    root.activate()
    assert admin.get(LIST)["Location"].startswith("/admin/login/")


def test_a_form_without_its_token_is_refused(root):
    client = Client(enforce_csrf_checks=True)
    response = admin_log_in(root.email, PASSWORD, client=client)
    assert response.status_code == 403
    assert "CSRF" in response.content.decode()


# Password forms


def test_the_password_form_takes_a_password_away(admin):
    user = UserFactory()
    none = {"usable_password": "false", "unset-password": "1"}
    body = new_password(user, **none)
    assert admin.post(password_url(user), body).status_code == 302
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert user.session_epoch == user.password_epoch == EPOCH + 1
    said = LogEntry.objects.get(object_id=user.pk).get_change_message()
    assert said == "Changed password."


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


@pytest.mark.parametrize("spelling", ["urn:uuid:{}", "urn_3Auuid_3A{}", "{{{}}}"])
def test_nor_is_it_by_another_spelling_of_your_id(admin, root, spelling):
    """Django takes ids in more than one form, also with quoted characters."""
    page = url("auth_user_password_change", spelling.format(root.pk))
    answer = admin.post(page, new_password(root))
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


def test_a_user_who_is_no_superuser_gives_no_role_more_rights():
    role = Role.objects.create(name="editor")
    keeper, rights = UserFactory(is_staff=True), Permission.objects.all()
    keeper.user_permissions.set(rights)
    body = {"name": role.name, "permissions": [right.pk for right in rights]}
    for page in (url("users_role_change", role.pk), url("users_role_add")):
        assert browser_of(keeper).post(page, body).status_code == 403
    assert not role.permissions.exists()


# Errors are pages


def test_what_is_forbidden_or_absent_is_a_page(clerk, audits):
    statuses = {"/admin/users/role/": 403, "/admin/nothing/": 404}
    for path, status in statuses.items():
        response = clerk.get(path)
        assert response.status_code == status
        assert response["Content-Type"].startswith("text/html")
        assert 'class="errornote"' in response.content.decode()  # in the admin's look
    assert audits("event", "caller") == [("authz_fail", clerk.session["_auth_user_id"])]


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
    ("page", "seconds", "text"),
    [
        (ADD, 1, "1 second"),
        (ADD, 60, "60 seconds"),
        ("/admin/login/", 61, "2 minutes"),
        ("/admin/login/", 3601, "2 hours"),
        (OWN_PASSWORD_PAGE, 86401, "2 days"),
    ],
)
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


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (OperationalError, 503, "A database or service did not answer."),
        (DatabaseError, 400, "delete the cookies of this site"),  # it was deleted
    ],
)
def test_a_session_that_cannot_be_stored_is_a_page(
    admin, monkeypatch, error, status, text
):
    def refuse(*args, **kwargs):
        raise error

    user = UserFactory()
    admin.raise_request_exception = False
    monkeypatch.setattr(Session, "save", refuse)
    answer = admin.post(change_url(user), fields(user))  # leaves a message
    assert answer.status_code == status
    assert text in answer.content.decode()


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
