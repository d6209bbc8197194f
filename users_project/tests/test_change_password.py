"""PWD-08: one's own password, for the one that is right now."""

import logging
import threading
import uuid
from contextlib import ExitStack, suppress
from functools import partial

import pytest
from rest_framework.test import APIClient

from tests.factories import EPOCH, PASSWORD, UserFactory, hashed
from tests.refusals import assert_refused
from users import hashers, hashing_pool
from users.models import User

pytestmark = pytest.mark.django_db

URL = "/api/v1/users/me/change_password"
NEW = "a newer horse battery"
BODY = {"current_password": PASSWORD, "new_password": NEW}


@pytest.fixture
def hashes(monkeypatch):
    """What Argon2 was made to do from here on."""
    done: list[str] = []

    def count(name):
        original = getattr(hashers.Argon2Hasher, name)

        def counted(self, *args):
            done.append(name)
            return original(self, *args)

        monkeypatch.setattr(hashers.Argon2Hasher, name, counted)

    hashed(PASSWORD)  # which the factory does once
    count("verify")
    count("encode")
    return done


def unchanged(user):
    """Whether the row is as it was read: no other hash, no higher epoch."""
    now = User.objects.get(pk=user.pk)
    return (now.password, now.session_epoch, now.updated_at) == (
        user.password,
        user.session_epoch,
        user.updated_at,
    )


# The change


def test_the_new_password_is_the_only_one(bearer):
    user, other = UserFactory(), UserFactory()
    response = bearer(sub=str(user.pk)).post(URL, BODY)
    assert (response.status_code, response.content) == (204, b"")
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert not user.check_password(PASSWORD)
    assert unchanged(other)


def test_all_sessions_end_but_the_callers(bearer, pushes, on_commit):
    user, sid = UserFactory(session_epoch=EPOCH), str(uuid.uuid4())
    with on_commit():
        bearer(sub=str(user.pk), sid=sid).post(URL, BODY)
        assert pushes == []
    assert User.objects.get(pk=user.pk).session_epoch == EPOCH + 1
    assert pushes == [
        {
            "user_id": str(user.pk),
            "epoch": EPOCH + 1,
            "reason": "password_changed",
            "keep_sid": sid,
            "keep_from": EPOCH,
        }
    ]


def test_both_passwords_are_taken_exactly_as_sent(bearer):
    user = UserFactory(password=f" {PASSWORD} ")
    client = bearer(sub=str(user.pk))
    body = {"current_password": f" {PASSWORD} ", "new_password": f" {NEW} "}
    trimmed = client.post(URL, body | {"current_password": PASSWORD})
    assert_refused(trimmed, 400, "validation_error")
    assert client.post(URL, body).status_code == 204
    assert User.objects.get(pk=user.pk).check_password(f" {NEW} ")


# Refusals


def test_a_wrong_current_password_changes_nothing_and_logs_nobody_out(
    bearer, pushes, on_commit
):
    user = UserFactory()
    client = bearer(sub=str(user.pk))
    with on_commit():
        response = client.post(URL, BODY | {"current_password": "not the password"})
    errors = assert_refused(response, 400, "validation_error")["errors"]
    assert [error["code"] for error in errors.pop("current_password")] == ["invalid"]
    assert errors == {}
    assert "WWW-Authenticate" not in response
    assert unchanged(user)
    assert pushes == []
    assert client.get("/api/v1/users/me").status_code == 200


def test_who_has_no_password_has_none_to_change(bearer):
    user = UserFactory()
    user.set_unusable_password()
    user.save()
    for current in (PASSWORD, user.password):
        body = BODY | {"current_password": current}
        response = bearer(sub=str(user.pk)).post(URL, body)
        assert_refused(response, 400, "validation_error")
    assert unchanged(user)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("current_password", ..., "required"),
        ("current_password", 12345678, "invalid"),
        ("current_password", "x" * 129, "max_length"),
        ("current_password", "null\x00", "null_characters_not_allowed"),
        ("new_password", 1234567890, "invalid"),
        ("new_password", "seven77", "min_length"),
        ("new_password", "with a null\x00 in it", "null_characters_not_allowed"),
        ("new_password", "passWORD123", "password_too_common"),
        ("new_password", "ada@example.org", "password_too_similar"),
        ("new_password", "Enchantress1", "password_too_similar"),
        ("new_password", "Memo!2026!", "password_too_obvious"),
        ("new_password", PASSWORD, "password_unchanged"),
    ],
)
def test_a_bad_input_is_refused_before_anything_is_hashed(
    bearer, hashes, field, value, code
):
    user = UserFactory(email="ada@example.org", display_name="Enchantress")
    body = {k: v for k, v in (BODY | {field: value}).items() if v is not ...}
    response = bearer(sub=str(user.pk)).post(URL, body)
    errors = assert_refused(response, 400, "validation_error")["errors"]
    assert errors.keys() == {field}
    assert code in [error["code"] for error in errors[field]]
    assert hashes == []
    assert unchanged(user)


# What it costs


@pytest.mark.parametrize(
    ("current", "status", "work"),
    [(PASSWORD, 204, ["verify", "encode"]), ("not the password", 400, ["verify"])],
    ids=["right", "wrong"],
)
def test_right_takes_two_hashes_and_wrong_one(bearer, hashes, current, status, work):
    client = bearer(sub=str(UserFactory().pk))
    response = client.post(URL, BODY | {"current_password": current})
    assert (response.status_code, hashes) == (status, work)


@pytest.mark.parametrize("free", [0, 1], ids=["no slot", "a slot for the first hash"])
def test_overload_changes_nothing(bearer, settings, monkeypatch, free):
    settings.WEB_THREADS = 2  # of which one may hash
    user, pool = UserFactory(), hashing_pool.pool()
    verify = User.check_password

    def then_full(self, password):
        right = verify(self, password)
        assert pool.slots.acquire(blocking=False)
        return right

    with ExitStack() as stack:
        if free:
            monkeypatch.setattr(User, "check_password", then_full)
        else:
            assert pool.slots.acquire(blocking=False)
        stack.callback(pool.slots.release)
        response = bearer(sub=str(user.pk)).post(URL, BODY)
    assert_refused(response, 503, "overloaded")
    assert unchanged(user)


# The audit log


@pytest.mark.parametrize(
    ("current", "event"),
    [
        (PASSWORD, "authn_password_change"),
        ("not the password", "authn_password_change_fail"),
    ],
)
def test_each_try_is_audited_without_a_password(bearer, caplog, current, event):
    user, sid = UserFactory(), str(uuid.uuid4())
    with caplog.at_level(logging.INFO, "memo.audit"):
        client = bearer(sub=str(user.pk), sid=sid)
        client.post(URL, BODY | {"current_password": current})
    [record] = [r for r in caplog.records if r.name == "memo.audit"]
    assert (record.event, record.user_id, record.sid) == (event, str(user.pk), sid)
    assert record.ip == "127.0.0.1"
    assert not {current, NEW} & {str(value) for value in vars(record).values()}


# Races


def test_what_an_operator_sets_meanwhile_stays(bearer, monkeypatch):
    user = UserFactory()
    operators = hashed("the operator's password")
    verify = User.check_password

    def then_operator(self, password):
        right = verify(self, password)
        theirs = User.objects.get(pk=self.pk)
        theirs.password = operators
        theirs.save()
        return right

    monkeypatch.setattr(User, "check_password", then_operator)
    response = bearer(sub=str(user.pk)).post(URL, BODY)
    errors = assert_refused(response, 400, "validation_error")["errors"]
    assert errors.keys() == {"current_password"}
    user.refresh_from_db()
    assert (user.password, user.session_epoch) == (operators, EPOCH + 1)


@pytest.mark.parametrize("act", ["deactivate", "soft_delete"])
def test_who_is_gone_meanwhile_changes_nothing(bearer, monkeypatch, act):
    user = UserFactory()
    verify = User.check_password

    def then_gone(self, password):
        right = verify(self, password)
        getattr(User.objects.get(pk=self.pk), act)()
        return right

    monkeypatch.setattr(User, "check_password", then_gone)
    response = bearer(sub=str(user.pk)).post(URL, BODY)
    assert_refused(response, 400, "validation_error")
    now = User.objects.get(pk=user.pk)
    assert (now.password, now.session_epoch) == (user.password, EPOCH + 1)


def test_of_two_changes_at_once_one_wins(make_token, pushes, monkeypatch, at_once):
    user, writing = UserFactory(), threading.Barrier(2)
    write = User.write

    def write_when_both_would(*args, **kwargs):
        with suppress(threading.BrokenBarrierError):
            writing.wait(0.5)
        write(*args, **kwargs)

    monkeypatch.setattr(User, "write", write_when_both_would)

    def change(new):
        token = make_token(sub=str(user.pk))
        client = APIClient(headers={"Authorization": f"Bearer {token}"})
        return int(client.post(URL, BODY | {"new_password": new}).status_code)

    passwords = ("the first new password", "the second new password")
    statuses = at_once(*[partial(change, new) for new in passwords])
    assert sorted(statuses) == [204, 400]
    user.refresh_from_db()
    assert user.check_password(passwords[statuses.index(204)])
    assert user.session_epoch == EPOCH + 1
    assert [push["epoch"] for push in pushes] == [EPOCH + 1]
