"""PWD-08: one's own password, for the one that is right now."""

import threading
import time
import uuid
from contextlib import suppress
from functools import partial

import pytest
from rest_framework.test import APIClient

from tests.factories import EPOCH, NEW, PASSWORD, WRONG, UserFactory, hashed
from tests.factors.rows import with_factors, without_password
from tests.refusals import assert_invalid, assert_refused
from users.models import User

URL = "/api/v1/users/me/change_password"
BODY = {"current_password": PASSWORD, "new_password": NEW}
SID = str(uuid.uuid4())


@pytest.fixture
def user():
    return UserFactory(email="ada@example.org", display_name="Enchantress")


@pytest.fixture
def client(bearer, user):
    return bearer(sub=str(user.pk), sid=SID)


def unchanged(user):
    """Whether the row is as it was read: no other hash, no higher epoch."""
    names = ("password", "session_epoch", "updated_at")
    rows = User.objects.values_list(*names)
    return rows.get(pk=user.pk) == tuple(getattr(user, name) for name in names)


def test_a_change_ends_all_sessions_but_the_callers(
    client, user, pushes, on_commit, hashes, audits
):
    other = UserFactory()
    with on_commit():
        response = client.post(URL, BODY)
        assert pushes == []
    assert (response.status_code, response.content) == (204, b"")
    assert [act for act, *_ in hashes] == ["verify", "encode"]
    user.refresh_from_db()
    assert (user.check_password(NEW), user.check_password(PASSWORD)) == (True, False)
    assert user.session_epoch == EPOCH + 1
    expected = {"epoch": EPOCH + 1, "reason": "password_changed"}
    expected |= {"keep_sid": SID, "keep_from": EPOCH}
    assert pushes == [{"user_ids": [str(user.pk)], **expected}]
    assert unchanged(other)
    record = audits()[0]
    assert (record.event, record.sid) == ("authn_password_change", SID)
    assert (record.user_id, record.ip) == (str(user.pk), "127.0.0.1")
    assert not {PASSWORD, NEW} & {str(value) for value in vars(record).values()}


def test_a_wrong_current_password_changes_nothing_and_ends_no_session(
    client, user, pushes, on_commit, hashes, audits
):
    with on_commit():
        response = client.post(URL, BODY | {"current_password": WRONG})
    assert_invalid(response, "current_password", "invalid")
    assert "WWW-Authenticate" not in response
    assert [act for act, *_ in hashes] == ["verify"]
    assert unchanged(user)
    assert pushes == []
    assert client.get("/api/v1/users/me").status_code == 200
    [record] = audits()
    assert (record.event, record.sid) == ("authn_password_change_fail", SID)
    assert WRONG not in map(str, vars(record).values())


def test_both_passwords_are_taken_exactly_as_sent(client, user):
    User.objects.update(password=hashed(f" {PASSWORD} "))
    assert client.post(URL, BODY).status_code == 400
    body = {name: f" {text} " for name, text in BODY.items()}
    assert client.post(URL, body).status_code == 204
    assert User.objects.get().check_password(f" {NEW} ")


@pytest.mark.parametrize("current", [PASSWORD, WRONG])
def test_a_user_with_a_factor_must_have_used_it(bearer, user, hashes, limited, current):
    """The password alone opens a session on a trusted device. Nothing is counted."""
    with_factors(user)
    limited(PASSWORD_LIMIT_SESSION="1/hour")
    trusted = bearer(sub=str(user.pk), sid=SID)
    for _ in range(2):
        response = trusted.post(URL, BODY | {"current_password": current})
        assert_refused(response, 401, "insufficient_user_authentication")
        assert 'acr_values="aal2"' in response["WWW-Authenticate"]
    assert hashes == []
    assert unchanged(user)
    assert (
        bearer(sub=str(user.pk), sid=SID, acr="aal2").post(URL, BODY).status_code == 204
    )


def test_a_factor_that_is_never_asked_for_is_not_needed(client, user, settings):
    """No step-up could give it."""
    with_factors(user)
    settings.SECOND_FACTOR = "off"
    assert client.post(URL, BODY).status_code == 204


@pytest.mark.parametrize("has_password", [False, True])
def test_a_session_that_has_ended_sets_no_password(bearer, user, hashes, has_password):
    """ACC-08: the Auth Service does not know it yet, and the token is accepted."""
    if not has_password:
        without_password(user)
    before = User.objects.get().password
    client = bearer(sub=str(user.pk), acr="aal2")
    user.end_sessions()
    assert_refused(client.post(URL, BODY), 401, "token_revoked")
    assert (User.objects.get().password, hashes) == (before, [])


@pytest.mark.parametrize(("age", "acr"), [(10, "aal2"), (400, "aal2"), (10, "aal1")])
def test_an_account_without_a_password_needs_a_recent_login(
    bearer, user, hashes, age, acr
):
    """By it the user could add a passkey, too."""
    without_password(user)
    login = {"auth_time": int(time.time()) - age, "acr": acr}
    client = bearer(sub=str(user.pk), **login)
    response = client.post(URL, {"new_password": NEW})
    if (age, acr) == (10, "aal2"):
        assert response.status_code == 204
        assert User.objects.get().check_password(NEW)
    else:
        assert_refused(response, 401, "insufficient_user_authentication")
        assert (User.objects.get().password, hashes) == ("!unusable", [])


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("current_password", ..., "required"),
        ("current_password", "x" * 129, "max_length"),
        ("new_password", "seven77", "min_length"),
        ("new_password", "with a null\x00 in it", "null_characters_not_allowed"),
        ("new_password", "Enchantress1", "password_too_similar"),
        ("new_password", PASSWORD, "password_unchanged"),
    ],
)
def test_a_bad_input_is_refused_before_anything_is_hashed(
    client, user, hashes, field, value, code
):
    body = {k: v for k, v in (BODY | {field: value}).items() if v is not ...}
    assert_invalid(client.post(URL, body), field, code)
    assert hashes == []
    assert unchanged(user)


# Races


def test_a_user_who_is_deactivated_meanwhile_changes_nothing(client, user, monkeypatch):
    verify = User.check_password

    def then_deactivate(self, password):
        User.objects.get(pk=self.pk).deactivate()
        return verify(self, password)

    monkeypatch.setattr(User, "check_password", then_deactivate)
    assert_invalid(client.post(URL, BODY), "current_password", "invalid")
    now = User.objects.get(pk=user.pk)
    assert (now.password, now.session_epoch) == (user.password, EPOCH + 1)


def test_of_two_changes_at_once_one_wins(
    user, make_token, pushes, monkeypatch, at_once
):
    write, writing = User.write, threading.Barrier(2)
    token = make_token(sub=str(user.pk))

    def write_when_both_would(*args, **kwargs):
        with suppress(threading.BrokenBarrierError):
            writing.wait(0.5)
        write(*args, **kwargs)

    monkeypatch.setattr(User, "write", write_when_both_would)

    def change(new):
        client = APIClient(headers={"Authorization": f"Bearer {token}"})
        return client.post(URL, BODY | {"new_password": new}).status_code

    passwords = ("the first new password", "the second new password")
    statuses = at_once(*[partial(change, new) for new in passwords])
    assert sorted(statuses) == [204, 400]
    user.refresh_from_db()
    assert user.check_password(passwords[statuses.index(204)])
    assert user.session_epoch == EPOCH + 1
    assert [push["epoch"] for push in pushes] == [EPOCH + 1]
