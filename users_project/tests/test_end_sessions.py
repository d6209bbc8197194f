"""The Auth Service raises a user's epoch, and ends the sessions by the answer."""

import logging
import uuid

import pytest

from tests.factories import EPOCH, UserFactory
from tests.refusals import assert_refused
from users.models import User

pytestmark = pytest.mark.django_db


def url(user_id):
    return f"/api/v1/users/{user_id}/end_sessions"


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_epoch_is_raised_by_one_and_told(service_client, slash):
    user, other = UserFactory(), UserFactory()
    response = service_client("auth").post(url(user.pk) + slash, {})
    assert response.status_code == 200
    assert response.json() == {"session_epoch": EPOCH + 1, "kept_from": None}
    before, user = user, User.objects.get(pk=user.pk)
    assert user.session_epoch == EPOCH + 1
    assert user.updated_at > before.updated_at
    assert user.password == before.password
    assert User.objects.get(pk=other.pk).session_epoch == EPOCH


def test_nothing_is_pushed_but_it_is_audited(service_client, pushes, on_commit, caplog):
    user = UserFactory()
    with caplog.at_level(logging.INFO, "memo.audit"), on_commit():
        service_client("auth").post(url(user.pk), {})
    assert pushes == []
    [record] = [r for r in caplog.records if r.name == "memo.audit"]
    assert (record.event, record.user_id) == ("sessions_ended", str(user.pk))
    assert (record.epoch, record.by) == (EPOCH + 1, "auth")


def test_the_session_to_keep_is_remembered(service_client):
    """From which epoch it is kept stays, as long as it is the same one: it may not
    have reached a later one."""
    user, mine, another = UserFactory(), uuid.uuid4(), uuid.uuid4()
    kept = []
    for keep in (mine, mine, another, None, mine):
        body = {} if keep is None else {"keep_sid": str(keep)}
        answer = service_client("auth").post(url(user.pk), body).json()
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
def test_what_is_no_id_keeps_nothing(service_client, keep_sid):
    user = UserFactory()
    response = service_client("auth").post(url(user.pk), {"keep_sid": keep_sid})
    assert_refused(response, 400, "validation_error")
    assert User.objects.get(pk=user.pk).session_epoch == EPOCH


def test_what_is_no_id_is_nothing(service_client):
    for text in ("me", "abc", "1"):
        response = service_client("auth").post(url(text), {})
        assert_refused(response, 404, "not_found")


def test_calls_at_once_raise_it_once_each(service_client, at_once):
    user = UserFactory()

    def end():
        return service_client("auth").post(url(user.pk), {}).json()["session_epoch"]

    assert sorted(at_once(*[end] * 8)) == [EPOCH + n for n in range(1, 9)]
    assert User.objects.get(pk=user.pk).session_epoch == EPOCH + 8
