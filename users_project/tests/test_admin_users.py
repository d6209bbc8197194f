"""Users in the admin: the list, a new one, changes, actions."""

import uuid

import pytest
from django.contrib.admin.models import LogEntry

from tests.admin_pages import (
    ADD,
    LIST,
    NEW_PASSWORD,
    act,
    change_url,
    fields,
    messages,
    new,
)
from tests.factories import EPOCH, RoleFactory, UserFactory
from users.models import Role, User

pytestmark = pytest.mark.django_db


# List


def shown(client, query=""):
    """The e-mail addresses on the list."""
    response = client.get(LIST + query)
    assert response.status_code == 200
    return {user.email for user in response.context["cl"].result_list}


def test_the_list_shows_users_with_their_roles(admin):
    user = UserFactory(roles=["writer", "editor"])
    page = admin.get(LIST).content.decode()
    assert user.email in page
    assert "editor, writer" in page


def test_the_list_takes_a_fixed_number_of_queries(admin, django_assert_max_num_queries):
    for _ in range(20):
        UserFactory(roles=["editor"])
    with django_assert_max_num_queries(10):
        admin.get(LIST)


@pytest.mark.parametrize("term", ["ada@ex", "ADA@EX", "lovel", "id"])
def test_search_goes_by_the_beginning_of_a_name_or_by_id(admin, term):
    ada = UserFactory(email="Ada@example.org", username="Lovelace")
    UserFactory(email="not.ada@example.org", username="not.lovelace")
    query = str(ada.pk) if term == "id" else term
    assert shown(admin, f"?q={query}") == {ada.email}


def test_search_for_an_unknown_id_finds_nobody(admin):
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
def test_filters(admin, query, names):
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


def test_a_user_is_created_and_may_then_be_edited(admin):
    response = admin.post(ADD, new())
    user = User.objects.get_by_identifier(email="new@example.org")
    assert response["Location"] == change_url(user)
    assert user.check_password(NEW_PASSWORD)
    assert (user.is_staff, user.is_superuser, user.session_epoch) == (False, False, 0)
    assert admin.get(change_url(user)).status_code == 200


def test_a_user_without_a_password_can_be_created(admin):
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
def test_bad_input_is_explained(admin, changed, field):
    response = admin.post(ADD, new(**changed))
    assert response.status_code == 200
    assert response.context["adminform"].form.errors.keys() == {field}
    assert User.objects.count() == 1


# Edit


def test_an_edit_changes_the_user_and_no_session(admin, on_commit, pushes):
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


def test_unticking_active_ends_the_sessions(admin, on_commit, pushes):
    user = UserFactory()
    with on_commit():
        admin.post(change_url(user), fields(user, is_active=None))
    user.refresh_from_db()
    assert (user.is_active, user.session_epoch) == (False, EPOCH + 1)
    assert pushes == [
        {"user_id": str(user.pk), "epoch": EPOCH + 1, "reason": "user_deactivated"}
    ]


def test_what_is_read_only_cannot_be_sent(admin):
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


def test_a_name_that_is_taken_is_explained(admin):
    user = UserFactory()
    response = admin.post(change_url(user), fields(user, email="Root@example.org"))
    assert "This one is taken." in response.content.decode()
    assert admin.post(change_url(user), fields(user)).status_code == 302


def test_nobody_is_deleted_for_good(admin):
    user = UserFactory()
    assert admin.post(f"{LIST}{user.pk}/delete/", {"post": "yes"}).status_code == 403
    response = act(admin, "delete_selected", user)
    assert User.objects.filter(pk=user.pk).exists()
    assert response.status_code == 302


# Actions


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
def test_actions(admin, on_commit, pushes, action, before, after, epoch, text):
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


def test_nobody_locks_themselves_out(admin, root):
    response = act(admin, "deactivate", root)
    assert messages(response) == ["root@example.org: not yours to change."]
    root.refresh_from_db()
    assert root.is_active
