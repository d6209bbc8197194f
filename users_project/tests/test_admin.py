"""The admin, through the pages it shows."""

import uuid
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from shared.auth import device_cookie
from tests.factories import EPOCH, PASSWORD, RoleFactory, UserFactory
from users import hashing_pool
from users.models import Role, User

pytestmark = pytest.mark.django_db

LIST = "/admin/users/user/"
ADD = f"{LIST}add/"
NEW_PASSWORD = "a newer horse battery"


def change_url(user: User) -> str:
    return reverse("admin:users_user_change", args=[user.pk])


def password_url(user: User) -> str:
    return reverse("admin:auth_user_password_change", args=[user.pk])


def fields(user: User, **changed: Any) -> dict[str, Any]:
    """What the change form of a user sends; checkboxes only where they are ticked."""
    names = ("email", "username", "first_name", "last_name", "display_name")
    form = {name: getattr(user, name) for name in names} | {"avatar_url": ""}
    ticks = ("is_active", "is_staff", "is_superuser")
    form |= {name: "on" for name in ticks if getattr(user, name)}
    return {name: text for name, text in (form | changed).items() if text is not None}


def messages(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


# Log-in


def log_in(client: Client, email: str, password: str = PASSWORD) -> Any:
    body = {"username": email, "password": password, "next": "/admin/"}
    return client.post("/admin/login/", body)


def test_staff_log_in_by_email_in_any_case(client: Client, root: User) -> None:
    response = log_in(client, "ROOT@Example.org")
    assert response.status_code == 302
    assert response["Location"] == "/admin/"
    page = client.get("/admin/").content.decode()
    assert "Memo" in page
    assert "Users and roles" in page
    assert "Roles" in page


def test_a_log_in_leads_nowhere_else(client: Client, root: User) -> None:
    body = {"username": root.email, "password": PASSWORD, "next": "//evil.example/"}
    assert client.post("/admin/login/", body)["Location"] == "/admin/"


def test_the_cookies_are_the_admins_alone(client: Client, root: User) -> None:
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


def test_the_api_sets_no_cookie(client: Client) -> None:
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
def test_others_do_not_get_in(client: Client, who: dict[str, Any]) -> None:
    user = UserFactory(**who)
    response = log_in(client, user.email)
    assert response.status_code == 200
    assert "Please enter the correct" in response.content.decode()
    assert client.get(LIST).status_code == 302


def test_log_ins_are_audited_without_what_was_typed(
    client: Client, root: User, caplog: Any
) -> None:
    with caplog.at_level("INFO", logger="memo.audit"):
        log_in(client, "nobody@example.org")
        log_in(client, root.email)
    failed, succeeded = (r for r in caplog.records if r.name == "memo.audit")
    assert (failed.event, failed.user_id) == ("authn_login_fail", None)
    assert succeeded.event == "authn_login_success"
    assert succeeded.user_id == str(root.pk)
    assert succeeded.ip == "127.0.0.1"
    assert "nobody" not in caplog.text


def test_what_an_admin_gives_and_makes_is_audited(
    admin: Client, root: User, caplog: Any
) -> None:
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


def test_a_username_is_no_log_in(client: Client, root: User) -> None:
    assert log_in(client, root.username).status_code == 200


@pytest.mark.parametrize("act", ["deactivate", "soft_delete"])
def test_a_session_ends_with_its_user(admin: Client, root: User, act: str) -> None:
    assert admin.get(LIST).status_code == 200
    getattr(root, act)()
    response = admin.get(LIST)
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_a_log_in_upgrades_the_hash_and_lasts(client: Client, root: User) -> None:
    old = make_password(PASSWORD, hasher="pbkdf2_sha256")
    User.objects.filter(pk=root.pk).update(password=old)
    log_in(client, root.email)
    root.refresh_from_db()
    assert root.password.startswith("argon2$")
    assert root.session_epoch == EPOCH
    assert client.get(LIST).status_code == 200


def test_a_form_without_its_token_is_refused(root: User) -> None:
    client = Client(enforce_csrf_checks=True)
    response = log_in(client, root.email)
    assert response.status_code == 403
    assert "CSRF" in response.content.decode()


# List


def shown(client: Client, query: str = "") -> set[str]:
    """The e-mail addresses on the list."""
    response = client.get(LIST + query)
    assert response.status_code == 200
    return {user.email for user in response.context["cl"].result_list}


def test_the_list_shows_users_with_their_roles(admin: Client) -> None:
    user = UserFactory(roles=["writer", "editor"])
    page = admin.get(LIST).content.decode()
    assert user.email in page
    assert "editor, writer" in page


def test_the_list_takes_a_fixed_number_of_queries(
    admin: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        UserFactory(roles=["editor"])
    with django_assert_max_num_queries(10):
        admin.get(LIST)


@pytest.mark.parametrize("term", ["ada@ex", "ADA@EX", "lovel", "id"])
def test_search_goes_by_the_beginning_of_a_name_or_by_id(
    admin: Client, term: str
) -> None:
    ada = UserFactory(email="Ada@example.org", username="Lovelace")
    UserFactory(email="not.ada@example.org", username="not.lovelace")
    query = str(ada.pk) if term == "id" else term
    assert shown(admin, f"?q={query}") == {ada.email}


def test_search_for_an_unknown_id_finds_nobody(admin: Client) -> None:
    assert shown(admin, f"?q={uuid.uuid4()}") == set()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?is_active__exact=0", {"inactive"}),
        ("?deleted=yes", {"deleted"}),
        ("?deleted=no&is_staff__exact=0", {"inactive", "editor"}),
        ("?is_staff__exact=1", {"root"}),
        ("?groups__id__exact={editor}", {"editor"}),
    ],
)
def test_filters(admin: Client, query: str, names: set[str]) -> None:
    UserFactory(username="inactive", email="inactive@example.org", is_active=False)
    UserFactory(
        username="deleted",
        email="deleted@example.org",
        deleted_at="2026-01-31T12:00:00Z",
    )
    UserFactory(username="editor", email="editor@example.org", roles=["editor"])
    query = query.format(editor=Role.objects.get().pk)
    assert shown(admin, query) == {f"{name}@example.org" for name in names}


# Create


def new(**changed: Any) -> dict[str, Any]:
    return {
        "email": "New@example.org",
        "username": "new",
        "usable_password": "true",
        "password1": NEW_PASSWORD,
        "password2": NEW_PASSWORD,
    } | changed


def test_a_user_is_created_and_may_then_be_edited(admin: Client) -> None:
    response = admin.post(ADD, new())
    user = User.objects.get_by_identifier(email="new@example.org")
    assert response["Location"] == change_url(user)
    assert user.check_password(NEW_PASSWORD)
    assert (user.is_staff, user.is_superuser, user.session_epoch) == (False, False, 0)
    assert admin.get(change_url(user)).status_code == 200


def test_a_user_without_a_password_can_be_created(admin: Client) -> None:
    admin.post(ADD, new(usable_password="false", password1="", password2=""))
    assert not User.objects.get(username="new").has_usable_password()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"email": "ROOT@example.org"}, "email"),
        ({"username": "ROOT"}, "username"),
        ({"email": "no address"}, "email"),
        ({"username": "an@address"}, "username"),
        ({"password1": "password1", "password2": "password1"}, "password2"),
        ({"password2": "not the same"}, "password2"),
        ({"password1": "new@example.org", "password2": "new@example.org"}, "password2"),
    ],
    ids=repr,
)
def test_bad_input_is_explained(
    admin: Client, changed: dict[str, str], field: str
) -> None:
    response = admin.post(ADD, new(**changed))
    assert response.status_code == 200
    assert response.context["adminform"].form.errors.keys() == {field}
    assert User.objects.count() == 1


# Edit


def test_an_edit_changes_the_user_and_no_session(
    admin: Client, on_commit: Any, pushes: list[Any]
) -> None:
    user = UserFactory()
    role = RoleFactory(name="editor")
    form = fields(user, display_name="Ada", email="Ada.New@example.org")
    with on_commit():
        response = admin.post(change_url(user), form | {"groups": [role.pk]})
    assert response.status_code == 302
    user = User.objects.with_roles().get(pk=user.pk)
    assert (user.display_name, user.roles) == ("Ada", ["editor"])
    assert user.email_canonical == "ada.new@example.org"
    assert (user.session_epoch, pushes) == (EPOCH, [])


def test_unticking_active_ends_the_sessions(
    admin: Client, on_commit: Any, pushes: list[Any]
) -> None:
    user = UserFactory()
    with on_commit():
        admin.post(change_url(user), fields(user, is_active=None))
    user.refresh_from_db()
    assert (user.is_active, user.session_epoch) == (False, EPOCH + 1)
    assert pushes == [
        {"user_id": str(user.pk), "epoch": EPOCH + 1, "reason": "user_deactivated"}
    ]


def test_what_is_read_only_cannot_be_sent(admin: Client) -> None:
    user = UserFactory()
    sent = {
        "id": str(uuid.uuid4()),
        "session_epoch": 9,
        "password": "x",
        "deleted_at": "2026-01-31",
        "created_at": "2000-01-01",
        "email_canonical": "other@example.org",
    }
    assert admin.post(change_url(user), fields(user, **sent)).status_code == 302
    after = User.objects.get(pk=user.pk)
    for name in sent:
        assert getattr(after, name) == getattr(user, name), name


def test_a_name_that_is_taken_is_explained(admin: Client) -> None:
    user = UserFactory()
    response = admin.post(change_url(user), fields(user, email="Root@example.org"))
    assert "This one is taken." in response.content.decode()
    assert admin.post(change_url(user), fields(user)).status_code == 302


def test_nobody_is_deleted_for_good(admin: Client) -> None:
    user = UserFactory()
    assert admin.post(f"{LIST}{user.pk}/delete/", {"post": "yes"}).status_code == 403
    response = act(admin, "delete_selected", user)
    assert User.objects.filter(pk=user.pk).exists()
    assert response.status_code == 302


# Password forms


def test_the_password_form_ends_the_sessions(
    admin: Client, on_commit: Any, pushes: list[Any]
) -> None:
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


def test_the_password_form_can_take_the_password_away(admin: Client) -> None:
    user = UserFactory()
    body = {"usable_password": "false", "unset-password": "1"}
    admin.post(password_url(user), body)
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert user.session_epoch == user.password_epoch == EPOCH + 1


def test_the_password_form_knows_the_user(admin: Client) -> None:
    user = UserFactory(username="wilhelmina")
    body = {"usable_password": "true"}
    body |= {"password1": "wilhelmina1", "password2": "wilhelmina1"}
    response = admin.post(password_url(user), body)
    assert response.status_code == 200
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_ones_own_password_ends_ones_sessions_but_not_this_one(
    admin: Client, root: User
) -> None:
    body = {"old_password": PASSWORD}
    body |= {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert admin.post("/admin/password_change/", body).status_code == 302
    root.refresh_from_db()
    assert root.check_password(NEW_PASSWORD)
    assert root.session_epoch == root.password_epoch == EPOCH + 1
    assert admin.get(LIST).status_code == 200


# Actions


def act(client: Client, action: str, *users: User) -> Any:
    body = {"action": action, "_selected_action": [str(user.pk) for user in users]}
    return client.post(LIST, body)


@pytest.mark.parametrize(
    ("action", "before", "after", "epoch", "text"),
    [
        ("deactivate", {}, (False, False), 1, "2 users deactivated."),
        ("activate", {"is_active": False}, (True, False), 0, "2 users activated."),
        ("soft_delete", {}, (True, True), 1, "2 users deleted."),
        (
            "restore",
            {"deleted_at": "2026-01-31T12:00:00Z"},
            (True, False),
            0,
            "2 users restored.",
        ),
        ("end_sessions", {}, (True, False), 1, "2 users logged out everywhere."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_actions(
    admin: Client,
    on_commit: Any,
    pushes: list[Any],
    action: str,
    before: dict[str, Any],
    after: tuple[bool, bool],
    epoch: int,
    text: str,
) -> None:
    users = [UserFactory(**before) for _ in range(2)]
    bystander = UserFactory(**before)
    with on_commit():
        response = act(admin, action, *users)
    assert messages(response) == [text]
    for user in users:
        user.refresh_from_db()
        assert (user.is_active, user.is_deleted) == after
        assert user.session_epoch == EPOCH + epoch
        assert LogEntry.objects.filter(object_id=str(user.pk)).count() == 1
    assert len(pushes) == 2 * epoch
    unchanged = User.objects.get(pk=bystander.pk)
    assert unchanged.updated_at == bystander.updated_at


def test_nobody_locks_themselves_out(admin: Client, root: User) -> None:
    response = act(admin, "deactivate", root)
    assert messages(response) == ["root@example.org: not yours to change."]
    root.refresh_from_db()
    assert root.is_active


# What staff may not


def test_staff_may_not_give_rights(clerk: Client) -> None:
    user = UserFactory()
    role = RoleFactory()
    sent = {"is_staff": "on", "is_superuser": "on", "groups": [role.pk]}
    assert clerk.post(change_url(user), fields(user, **sent)).status_code == 302
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert not user.groups.exists()


def test_staff_may_not_touch_a_superuser(clerk: Client, root: User) -> None:
    body = {"usable_password": "true"}
    body |= {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert clerk.post(password_url(root), body).status_code == 403
    taken_over = fields(root, email="clerk@example.org")
    assert clerk.post(change_url(root), taken_over).status_code == 403
    assert "not yours" in messages(act(clerk, "deactivate", root))[0]
    after = User.objects.get(pk=root.pk)
    assert (after.email, after.is_active) == ("root@example.org", True)
    assert after.check_password(PASSWORD)


def test_deleting_needs_its_own_right(clerk: Client) -> None:
    user = UserFactory()
    act(clerk, "soft_delete", user)
    act(clerk, "deactivate", user)
    user.refresh_from_db()
    assert (user.is_deleted, user.is_active) == (False, False)


# Roles


def test_roles_are_groups_with_their_members(admin: Client) -> None:
    UserFactory(roles=["editor"])
    page = admin.get("/admin/users/role/").content.decode()
    assert "editor" in page
    assert '<td class="field-members">1</td>' in page
    assert admin.post("/admin/users/role/add/", {"name": "author"}).status_code == 302
    assert Role.objects.filter(name="author").exists()
    assert admin.get("/admin/auth/group/").status_code == 404


# Errors are pages here


@pytest.mark.parametrize("path", ["/admin/nothing/", f"{LIST}no-id/change/"])
def test_what_is_not_there_is_a_page(admin: Client, path: str) -> None:
    response = admin.get(path, follow=True)
    assert response["Content-Type"].startswith("text/html")
    assert response.status_code == (404 if "nothing" in path else 200)


def test_what_is_forbidden_is_a_page(clerk: Client) -> None:
    response = clerk.get("/admin/users/role/")
    assert response.status_code == 403
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "Not allowed." in response.content.decode()


@pytest.mark.parametrize("form", ["log-in", "password", "own password", "new user"])
def test_an_overloaded_process_says_so_at_once(
    admin: Client, root: User, form: str
) -> None:
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
def test_what_ends_the_sessions_ends_those_of_the_admin(
    act: Any, admin: Client, root: User
) -> None:
    """Also when the user is made active again: the epoch stays raised."""
    assert admin.get(LIST).status_code == 200
    act(root)
    root.activate()
    assert admin.get(LIST).status_code == 302


# Rights are not to be taken


@pytest.fixture
def keeper(client: Client) -> Client:
    """Staff who may change everybody and every role, but is no superuser."""
    user = UserFactory(is_staff=True)
    names = ("user", "role", "group")
    user.user_permissions.set(Permission.objects.filter(content_type__model__in=names))
    client.force_login(user)
    return client


def test_who_is_no_superuser_gives_no_role_more_rights(keeper: Client) -> None:
    role = RoleFactory()
    page = reverse("admin:users_role_change", args=[role.pk])
    everything = [*Permission.objects.values_list("pk", flat=True)]
    body = {"name": role.name, "permissions": everything}
    assert keeper.post(page, body).status_code == 403
    assert keeper.post(reverse("admin:users_role_add"), body).status_code == 403
    assert not role.permissions.exists()


def test_who_is_no_superuser_takes_nobodys_rights_over(keeper: Client) -> None:
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


def test_what_a_role_is_is_audited(admin: Client, root: User, caplog: Any) -> None:
    """LOG-02; and so is who was refused."""
    with caplog.at_level("INFO", logger="memo.audit"):
        admin.post(reverse("admin:users_role_add"), {"name": "editors"})
        role = Role.objects.get(name="editors")
        admin.post(reverse("admin:users_role_change", args=[role.pk]), {"name": "e"})
        admin.post(reverse("admin:users_role_delete", args=[role.pk]), {"post": "yes"})
    told = [(r.event, r.what) for r in caplog.records if r.name == "memo.audit"]
    event = "privilege_permissions_changed"
    assert told == [(event, "added"), (event, "changed"), (event, "deleted")]


def test_a_refusal_is_audited_with_who_asked(keeper: Client, caplog: Any) -> None:
    with caplog.at_level("INFO", logger="memo.audit"):
        assert keeper.get(reverse("admin:users_role_add")).status_code == 403
    [record] = [r for r in caplog.records if r.name == "memo.audit"]
    assert record.event == "authz_fail"
    assert record.caller
