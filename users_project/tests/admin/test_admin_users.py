"""Users in the admin: the list, a new one, changes."""

from unittest.mock import Mock

import pytest

from tests.admin_pages import ADD, LIST, NEW_USER, act, change_url, fields, url
from tests.factories import EPOCH, NEW, UserFactory
from users.admin.versions import version_of
from users.models import Role, User

GONE = "2026-01-31T12:00:00Z"


def test_the_list_shows_roles_by_a_fixed_number_of_queries(
    admin, django_assert_max_num_queries
):
    for _ in range(20):
        UserFactory(roles=["writer", "editor"])
    with django_assert_max_num_queries(10):
        page = admin.get(LIST).content.decode()
    assert page.count("editor, writer") == 20


def test_the_list_says_who_can_log_in(admin, limited, guess, pushes):
    """By one question to Redis for the whole page."""
    limited(LOGIN_LIMIT_ACCOUNT="2/day")
    rows = {
        "active": UserFactory(),
        "inactive": UserFactory(is_active=False),
        "deleted": UserFactory(is_active=False, deleted_at=GONE),
        "erased": UserFactory(is_active=False, deleted_at=GONE, erased_at=GONE),
        "locked": UserFactory(email="locked@example.org"),
    }
    for _ in range(2):
        guess(login="locked@example.org")
    page = admin.get(LIST).content.decode()
    for status, user in rows.items():
        row = page.partition(user.username)[2].partition("</tr>")[0]
        assert f'<td class="field-status">{status}</td>' in row


@pytest.mark.parametrize(
    "imported",
    ["not a hash", "bcrypt$2b$12$short", "argon2$x", "pbkdf2_sha256$x$s$h"],
)
def test_the_page_of_a_user_with_a_malformed_hash_says_so(admin, imported):
    user = UserFactory(password=imported, hasher="raw")
    page = admin.get(change_url(user))
    assert page.status_code == 200
    assert "Invalid password format" in page.content.decode()
    changed = admin.post(change_url(user), fields(user, first_name="Ada"))
    assert changed.status_code == 302
    user.refresh_from_db()
    assert (user.first_name, user.password) == ("Ada", imported)


def test_the_list_is_there_without_redis(admin, monkeypatch):
    unavailable = Mock(side_effect=OSError)
    monkeypatch.setattr("users.admin.columns.locked", unavailable)
    page = admin.get(LIST).content.decode()
    assert "whether users are locked is not known" in page
    assert '<td class="field-status">active</td>' in page


def test_a_user_is_created_and_may_then_be_edited(admin):
    response = admin.post(ADD, NEW_USER)
    user = User.objects.get_by_identifier(email="new@example.org")
    assert response["Location"] == change_url(user)
    assert user.check_password(NEW)
    assert (user.is_staff, user.is_superuser, user.session_epoch) == (False, False, 0)
    assert admin.get(change_url(user)).status_code == 200


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"email": "ROOT@example.org"}, "email"),
        ({"username": "ROOT"}, "username"),
        ({"email": "no address"}, "email"),
        ({"username": "an@address"}, "username"),
        ({"password1": "new@example.org", "password2": "new@example.org"}, "password2"),
    ],
    ids=repr,
)
def test_bad_input_is_explained(admin, changed, field):
    response = admin.post(ADD, NEW_USER | changed)
    assert response.context["adminform"].form.errors.keys() == {field}
    assert User.objects.count() == 1


def test_an_edit_changes_the_user_and_no_session(admin, on_commit, pushes):
    user, role = UserFactory(), Role.objects.create(name="editor")
    form = fields(user, display_name="Ada", email="Ada.New@example.org")
    with on_commit():
        response = admin.post(change_url(user), form | {"groups": [role.pk]})
    assert response.status_code == 302
    user = User.objects.with_roles().get(pk=user.pk)
    assert (user.display_name, user.roles) == ("Ada", ["editor"])
    assert user.email_canonical == "ada.new@example.org"
    assert (user.session_epoch, pushes) == (EPOCH, [])


def test_no_user_is_deleted_for_good(admin):
    user = UserFactory()
    assert admin.post(f"{LIST}{user.pk}/delete/", {"post": "yes"}).status_code == 403
    act(admin, "delete_selected", user)
    assert User.objects.filter(pk=user.pk).exists()


def test_an_operator_is_warned_before_roles_are_too_long(admin, root):
    """By the user's page and by the role's, in bytes: a token has room for 4251."""
    names = ["\u0436" * 32 + f" {n:02}" for n in range(60)]
    roles = [Role.objects.create(name=name) for name in names]
    user = UserFactory()

    def warnings(page, **form):
        found = admin.post(page, form, follow=True).context["messages"]
        return [str(each) for each in found if each.level_tag == "warning"]

    for count, warned in ((10, 0), (60, 1)):
        given = fields(user, groups=[role.pk for role in roles[:count]])
        found = warnings(change_url(user), **given)
        assert len(found) == warned
    assert "the longest take 4200 of 4251 bytes" in found[0]
    assert warnings(url("users_role_add"), name="a role of no user") == []
    page = url("users_role_change", roles[0].pk)
    renamed = {"name": "x" * 64, "version": version_of(roles[0])}
    assert "of 4251 bytes" in warnings(page, **renamed)[0]
