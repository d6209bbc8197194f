"""One's own account, and what other services ask about a user."""

import socket
import uuid

import pytest

from tests.factories import EPOCH, UserFactory
from tests.refusals import assert_refused
from users.models import User
from users.openapi import ADA, MINE, PROFILE

ME = "/api/v1/users/me"


def url(user_id, act=""):
    return f"/api/v1/users/{user_id}{act}"


@pytest.fixture
def user():
    before = dict.fromkeys(PROFILE, "https://example.org/before")
    return UserFactory(roles=["writer", "editor"], **before)


@pytest.fixture
def me(bearer, user):
    """The client of the user. Their token is older than their names and roles."""
    return bearer(sub=str(user.pk), username="then", roles=["then"])


# The caller's own account


def test_a_token_gets_its_own_user_as_it_is_now(me, user):
    response = me.get(ME)
    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == MINE.keys()
    assert (answer["id"], answer["username"]) == (str(user.pk), user.username)
    assert (answer["display_name"], answer["roles"]) == (
        user.display_name,
        ["editor", "writer"],
    )


def test_a_change_of_the_profile_ends_no_session_and_is_audited_by_its_fields(
    me, user, pushes, on_commit, audits
):
    """LOG-02: what was changed, and never to what."""
    other, profile = UserFactory(), PROFILE | {"locale": "de"}
    with on_commit():
        response = me.patch(ME, profile)
    assert response.status_code == 200
    answer = response.json()
    assert answer.items() >= (profile | {"id": str(user.pk)}).items()
    assert answer["roles"] == ["editor", "writer"]
    assert answer["updated_at"] > answer["created_at"]
    assert me.get(ME).json() == answer
    assert User.objects.get(pk=other.pk).first_name == ""
    assert (User.objects.get(pk=user.pk).session_epoch, pushes) == (EPOCH, [])
    [record] = audits()
    assert (record.event, record.user_id) == ("user_updated", str(user.pk))
    assert record.fields == sorted(profile)
    assert "Lovelace" not in str(vars(record))
    answer = me.patch(ME, {"display_name": ""}).json()  # what is left out stays
    assert answer.items() >= (profile | {"display_name": ""}).items()


def test_other_members_are_refused_by_name(me, user):
    sent = {
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
        "unknown": 1,
    }
    for body in (sent, sent | {"first_name": "x"}, {"firstname": "x"}):
        errors = assert_refused(me.patch(ME, body), 400, "validation_error")["errors"]
        assert errors.keys() == body.keys() - {"first_name"}
        assert {each["code"] for [each] in errors.values()} == {"unknown"}
    row = User.objects.values().get(pk=user.pk)
    assert row == {name: getattr(user, name) for name in row}
    assert {group.name for group in user.groups.all()} == {"editor", "writer"}


@pytest.mark.parametrize("locale", ["fr", "", None, "DE"])
def test_another_language_is_refused(me, locale):
    answer = me.patch(ME, {"locale": locale})
    errors = assert_refused(answer, 400, "validation_error")["errors"]
    assert errors.keys() == {"locale"}
    assert User.objects.get().locale == "en"


# A user by id


@pytest.mark.parametrize("caller", ["auth", "billing"])
@pytest.mark.parametrize("roles", [[], ["writer"]])
def test_the_auth_service_alone_sees_epochs_and_policy(
    service_client, user, settings, caller, roles
):
    settings.SECOND_FACTOR_ROLES = roles
    epochs = {"session_epoch": EPOCH, "kept_sid": None, "kept_from": None}
    epochs["second_factor_required"] = bool(roles)
    answer = service_client(caller).get(url(user.pk)).json()
    assert answer.keys() == ADA.keys() | (epochs.keys() if caller == "auth" else set())
    assert answer.items() >= (epochs.items() if caller == "auth" else set())
    assert (answer["id"], answer["roles"]) == (str(user.pk), ["editor", "writer"])


@pytest.mark.parametrize("text", ["abc", "1", "..", "%00", "me2", "a" * 300])
def test_what_is_no_id_is_nothing(auth, text):
    assert_refused(auth.get(url(text)), 404, "not_found")
    assert_refused(auth.post(url(text, "/end_sessions"), {}), 404, "not_found")


# Ending the sessions


def test_the_epoch_is_raised_and_audited_and_nothing_is_pushed(
    auth, user, pushes, on_commit, audits
):
    other = UserFactory()
    with on_commit():
        response = auth.post(url(user.pk, "/end_sessions"), {})
    assert response.json() == {"session_epoch": EPOCH + 1, "kept_from": None}
    now = User.objects.get(pk=user.pk)
    assert (now.session_epoch, now.password) == (EPOCH + 1, user.password)
    assert now.updated_at > user.updated_at
    assert User.objects.get(pk=other.pk).session_epoch == EPOCH
    assert pushes == []
    found = audits("event", "user_id", "epoch", "by")
    assert found == [("sessions_ended", str(user.pk), EPOCH + 1, "auth")]


@pytest.mark.parametrize(("is_open", "status"), [(True, 200), (False, 503)])
def test_a_call_that_auth_gave_up_ends_nothing(auth, user, is_open, status):
    """Its user logs out everywhere again, or has logged in since."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if not is_open:
            theirs.close()
        extra = {"gunicorn.socket": ours}
        response = auth.post(url(user.pk, "/end_sessions"), {}, **extra)
    assert response.status_code == status
    user.refresh_from_db()
    assert user.session_epoch == EPOCH + is_open


def test_the_session_to_keep_is_remembered(auth, user):
    """From which epoch it is kept stays, as long as it is the same one: it may not
    have reached a later one."""
    mine, another, kept = uuid.uuid4(), uuid.uuid4(), []
    for keep in (mine, mine, another, None, mine):
        body = {} if keep is None else {"keep_sid": str(keep)}
        answer = auth.post(url(user.pk, "/end_sessions"), body).json()
        user.refresh_from_db()
        assert (user.session_epoch, user.kept_from) == tuple(answer.values())
        assert user.kept_sid == keep
        kept.append(user.kept_from)
    assert kept == [EPOCH, EPOCH, EPOCH + 2, None, EPOCH + 4]


@pytest.mark.parametrize("keep_sid", ["x", [], None, ""])
def test_what_is_no_id_keeps_nothing(auth, user, keep_sid):
    response = auth.post(url(user.pk, "/end_sessions"), {"keep_sid": keep_sid})
    assert_refused(response, 400, "validation_error")
    assert User.objects.get(pk=user.pk).session_epoch == EPOCH


def test_calls_at_once_raise_it_once_each(auth, at_once, user):
    def end():
        return auth.post(url(user.pk, "/end_sessions"), {}).json()["session_epoch"]

    assert sorted(at_once(*[end] * 8)) == [EPOCH + n for n in range(1, 9)]
    assert User.objects.get(pk=user.pk).session_epoch == EPOCH + 8
