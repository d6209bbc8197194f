"""One's own account, and what other services ask about a user."""

import uuid

import pytest

from tests.factories import EPOCH, UserFactory
from tests.refusals import assert_invalid, assert_refused
from users.models import User
from users.openapi import ADA, PROFILE

pytestmark = pytest.mark.django_db

ME = "/api/v1/users/me"
EPOCHS = {"session_epoch", "kept_sid", "kept_from"}


def url(user_id, act=""):
    return f"/api/v1/users/{user_id}{act}"


# The caller's own account


def test_a_token_gets_its_own_user_as_it_is_now(bearer):
    user = UserFactory(username="now", display_name="Ada", roles=["writer", "editor"])
    UserFactory()
    response = bearer(sub=str(user.pk), username="then", roles=["then"]).get(ME)
    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == ADA.keys()
    assert (answer["id"], answer["username"]) == (str(user.pk), "now")
    assert (answer["display_name"], answer["roles"]) == ("Ada", ["editor", "writer"])


def test_an_expired_token_is_refused(bearer):
    client = bearer(sub=str(UserFactory().pk), exp=1000)
    assert_refused(client.get(ME), 401, "token_expired")


def test_a_change_of_the_profile_ends_no_session_and_is_audited_by_its_fields(
    bearer, pushes, on_commit, audits
):
    """LOG-02: what was changed, and never to what."""
    user, other = UserFactory(roles=["editor"]), UserFactory()
    client = bearer(sub=str(user.pk))
    with on_commit():
        response = client.patch(ME, PROFILE)
    assert response.status_code == 200
    answer = response.json()
    assert answer.items() >= (PROFILE | {"id": str(user.pk)}).items()
    assert answer["roles"] == ["editor"]
    assert answer["updated_at"] > answer["created_at"]
    assert client.get(ME).json() == answer
    assert User.objects.get(pk=other.pk).first_name == ""
    assert (User.objects.get(pk=user.pk).session_epoch, pushes) == (EPOCH, [])
    [record] = audits()
    assert (record.event, record.user_id) == ("user_updated", str(user.pk))
    assert record.fields == sorted(PROFILE)
    assert "Lovelace" not in str(vars(record))


@pytest.mark.parametrize("member", [*PROFILE, "unknown", None])
def test_what_is_left_out_stays(bearer, member):
    before = dict.fromkeys(PROFILE, "https://example.org/before")
    client = bearer(sub=str(UserFactory(**before).pk))
    unchanged = client.get(ME).json()
    for text in (PROFILE.get(member), ""):
        answer = client.patch(ME, member and {member: text}).json()
        if member in PROFILE:
            assert answer.items() >= (before | {member: text}).items()
        else:
            assert answer == unchanged


def test_other_members_have_no_effect(bearer):
    user = UserFactory()
    response = bearer(sub=str(user.pk)).patch(
        ME,
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
    row = User.objects.values().get(pk=user.pk)
    assert row == {name: getattr(user, name) for name in row}
    assert not user.groups.exists()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        *((name, None, "null") for name in PROFILE),
        *((name, 5, "invalid") for name in PROFILE),
        ("first_name", "a" * 151, "max_length"),
        ("last_name", "Love\nlace", "invalid"),
        ("display_name", "bell\a", "invalid"),
        ("avatar_url", "javascript:alert(1)", "invalid"),
    ],
)
def test_what_registration_refuses_is_refused_here(bearer, field, value, code):
    client = bearer(sub=str(UserFactory().pk))
    before = client.get(ME).json()
    body = PROFILE | {field: value}
    assert_invalid(client.patch(ME, body), field, code)
    assert client.get(ME).json() == before


# A user by id


@pytest.mark.parametrize(("caller", "more"), [("auth", EPOCHS), ("billing", set())])
def test_the_auth_service_alone_sees_the_epochs(service_client, caller, more):
    user = UserFactory(roles=["editor"])
    response = service_client(caller).get(url(user.pk))
    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == ADA.keys() | more
    assert (answer["id"], answer["roles"]) == (str(user.pk), ["editor"])
    assert answer.get("session_epoch", EPOCH) == EPOCH


@pytest.mark.parametrize("text", ["abc", "1", "..", "%00", "me2", "a" * 300])
def test_what_is_no_id_is_nothing(auth, text):
    assert_refused(auth.get(url(text)), 404, "not_found")
    assert_refused(auth.post(url(text, "/end_sessions"), {}), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("docs", 200),
        ("openapi.json", 200),
        ("health/live", 200),
        ("health/ready", 200),
        ("me", 401),
        ("verify", 405),
    ],
)
def test_other_routes_are_not_taken_for_ids(auth, path, status):
    for slash in ("", "/"):
        assert auth.get(url(path, slash)).status_code == status


# Ending the sessions


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_epoch_is_raised_and_audited_and_nothing_is_pushed(
    auth, slash, pushes, on_commit, audits
):
    user, other = UserFactory(), UserFactory()
    with on_commit():
        response = auth.post(url(user.pk, "/end_sessions" + slash), {})
    assert response.status_code == 200
    assert response.json() == {"session_epoch": EPOCH + 1, "kept_from": None}
    now = User.objects.get(pk=user.pk)
    assert (now.session_epoch, now.password) == (EPOCH + 1, user.password)
    assert now.updated_at > user.updated_at
    assert User.objects.get(pk=other.pk).session_epoch == EPOCH
    assert pushes == []
    found = audits("event", "user_id", "epoch", "by")
    assert found == [("sessions_ended", str(user.pk), EPOCH + 1, "auth")]


def test_the_session_to_keep_is_remembered(auth):
    """From which epoch it is kept stays, as long as it is the same one: it may not
    have reached a later one."""
    user, mine, another = UserFactory(), uuid.uuid4(), uuid.uuid4()
    kept = []
    for keep in (mine, mine, another, None, mine):
        body = {} if keep is None else {"keep_sid": str(keep)}
        answer = auth.post(url(user.pk, "/end_sessions"), body).json()
        user.refresh_from_db()
        assert (user.session_epoch, user.kept_from) == tuple(answer.values())
        kept.append((user.kept_sid, user.kept_from))
    assert kept == [
        (mine, EPOCH),
        (mine, EPOCH),
        (another, EPOCH + 2),
        (None, None),
        (mine, EPOCH + 4),
    ]


@pytest.mark.parametrize("keep_sid", ["x", [], None, ""])
def test_what_is_no_id_keeps_nothing(auth, keep_sid):
    user = UserFactory()
    response = auth.post(url(user.pk, "/end_sessions"), {"keep_sid": keep_sid})
    assert_refused(response, 400, "validation_error")
    assert User.objects.get(pk=user.pk).session_epoch == EPOCH


def test_calls_at_once_raise_it_once_each(auth, at_once):
    user = UserFactory()

    def end():
        return auth.post(url(user.pk, "/end_sessions"), {}).json()["session_epoch"]

    assert sorted(at_once(*[end] * 8)) == [EPOCH + n for n in range(1, 9)]
    assert User.objects.get(pk=user.pk).session_epoch == EPOCH + 8
