"""What `doctor` says of epochs: a users database that is older than auth's."""

import uuid

import pytest

from shared.auth import session_state
from tests.conftest import cookie_of, log_in, redis_down
from tokens import diagnostics
from tokens.logins import EPOCH_BEHIND
from tokens.models import Session
from tokens.revocation import end_sessions_below

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("trusted_kid")]


@pytest.fixture(autouse=True)
def _answering(users, monkeypatch):
    """The User Service accepts our key. Redis has no note of earlier tests."""
    monkeypatch.setattr(diagnostics, "users_client", lambda: users)
    monkeypatch.setattr(diagnostics, "key_fault", lambda service: "")
    session_state.connection().delete(EPOCH_BEHIND)
    yield
    session_state.connection().delete(EPOCH_BEHIND)


@pytest.mark.parametrize(
    ("epoch", "floor", "session_epoch", "found"),
    [
        (5, None, None, ""),
        (5, 5, 5, ""),
        (5, 4, 3, ""),
        (5, 6, None, "1 of the latest 50 are"),
        (5, None, 6, "1 of the latest 50 are"),  # of a refresh whose push was lost
        (2**40, 2**40 + 1, 2**40, "1 of the latest 50 are"),
    ],
)
def test_a_user_below_auth_is_found(
    users, make_session, epoch, floor, session_epoch, found
):
    users.user["session_epoch"] = epoch
    if floor is not None:
        Session.objects.raise_floors([uuid.UUID(users.user["id"])], floor)
    if session_epoch is not None:
        make_session(user_epoch=session_epoch)
    Session.objects.raise_floors([uuid.uuid4()], 2**50)  # of no user who is there
    assert diagnostics.epochs_behind() == found


def test_no_user_is_asked_for_where_our_key_is_refused(users, monkeypatch):
    monkeypatch.setattr(diagnostics, "key_fault", lambda service: "401")
    Session.objects.raise_floors([uuid.UUID(users.user["id"])], 9)
    assert diagnostics.epochs_behind() is None
    assert users.calls == 0


def test_a_login_below_the_floor_is_noted_for_an_hour(users):
    assert log_in().status_code == 200
    assert diagnostics.logins_behind() == ""
    end_sessions_below([uuid.UUID(users.user["id"])], 9, "pushed")
    answer = log_in()
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert cookie_of(answer) is None
    assert diagnostics.logins_behind() == f"one of user {users.user['id']} had"
    assert 3590 < session_state.connection().ttl(EPOCH_BEHIND) <= 3600


def test_without_redis_such_a_login_is_answered_as_with_it(users):
    end_sessions_below([uuid.UUID(users.user["id"])], 9, "pushed")
    with redis_down():
        assert log_in().status_code == 503
