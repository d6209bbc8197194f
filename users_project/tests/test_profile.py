"""PATCH /me: what people change of their own account."""

import uuid

import pytest

from tests.factories import UserFactory
from tests.refusals import assert_refused
from tests.test_registration import MEMBERS
from users.models import User

pytestmark = pytest.mark.django_db

URL = "/api/v1/users/me"
PROFILE = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "display_name": "Countess \u2665",
    "avatar_url": "https://example.org:8443/ada.png?size=2#face",
}


def test_all_of_the_profile_can_be_changed(bearer):
    user, other = UserFactory(roles=["editor"]), UserFactory()
    client = bearer(sub=str(user.pk))
    response = client.patch(URL, PROFILE)
    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == MEMBERS
    assert answer.items() >= (PROFILE | {"id": str(user.pk)}).items()
    assert answer["roles"] == ["editor"]
    assert answer["updated_at"] > answer["created_at"]
    assert client.get(URL).json() == answer
    assert User.objects.get(pk=other.pk).first_name == ""


def test_a_change_is_audited_by_its_fields(bearer, caplog):
    """LOG-02: what was changed, and never to what."""
    user = UserFactory()
    with caplog.at_level("INFO", logger="memo.audit"):
        bearer(sub=str(user.pk)).patch(URL, {"first_name": "canary"})

    [record] = [r for r in caplog.records if r.name == "memo.audit"]
    assert (record.event, record.fields) == ("user_updated", ["first_name"])
    assert record.user_id == str(user.pk)
    assert "canary" not in str(vars(record))


@pytest.mark.parametrize("member", PROFILE)
def test_what_is_left_out_stays(bearer, member):
    before = dict.fromkeys(PROFILE, "https://example.org/before")
    client = bearer(sub=str(UserFactory(**before).pk))
    for text in (PROFILE[member], ""):
        answer = client.patch(URL, {member: text}).json()
        assert answer.items() >= (before | {member: text}).items()


@pytest.mark.parametrize("body", [{}, None, {"unknown": 1}], ids=repr)
def test_nothing_is_no_change(bearer, body):
    user = UserFactory(**PROFILE)
    client = bearer(sub=str(user.pk))
    before = client.get(URL).json()
    response = client.patch(URL, body)
    assert (response.status_code, response.json()) == (200, before)


def test_other_members_have_no_effect(bearer):
    user = UserFactory(session_epoch=3)
    response = bearer(sub=str(user.pk)).patch(
        URL,
        {
            "id": str(uuid.uuid4()),
            "email": "other@example.org",
            "username": "other",
            "password": "another long password",
            "is_staff": True,
            "is_superuser": True,
            "is_active": False,
            "roles": ["admin"],
            "session_epoch": 7,
            "deleted_at": "2026-01-31T12:00:00Z",
        },
    )
    assert response.status_code == 200
    columns = User.objects.values()
    assert columns.get(pk=user.pk) == {
        name: getattr(user, name) for name in columns.get(pk=user.pk)
    }
    assert not user.groups.exists()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        *((name, None, "null") for name in PROFILE),
        *((name, 5, "invalid") for name in PROFILE),
        *((name, ["Ada"], "invalid") for name in PROFILE),
        ("first_name", "a" * 151, "max_length"),
        ("last_name", "Love\nlace", "invalid"),
        ("display_name", "bell\a", "invalid"),
        ("avatar_url", "javascript:alert(1)", "invalid"),
        ("avatar_url", f"https://example.org/{'a' * 500}", "max_length"),
    ],
)
def test_what_registration_refuses_is_refused_here(bearer, field, value, code):
    user = UserFactory()
    body = {"first_name": "Ada", "last_name": "Lovelace", field: value}
    response = bearer(sub=str(user.pk)).patch(URL, body)
    errors = assert_refused(response, 400, "validation_error")["errors"]
    assert errors.keys() == {field}
    assert code in [error["code"] for error in errors[field]]
    unchanged = User.objects.get(pk=user.pk)
    assert (unchanged.first_name, unchanged.last_name) == ("", "")


@pytest.mark.parametrize("body", [[], "x", 5])
def test_a_body_that_is_no_object_is_refused(bearer, body):
    client = bearer(sub=str(UserFactory().pk))
    assert_refused(client.patch(URL, body), 400, "validation_error")


def test_a_change_ends_no_session(bearer, pushes, on_commit):
    user = UserFactory(session_epoch=3)
    with on_commit():
        assert bearer(sub=str(user.pk)).patch(URL, PROFILE).status_code == 200
    assert pushes == []
    assert User.objects.get(pk=user.pk).session_epoch == 3
