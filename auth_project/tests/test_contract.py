"""The client that other services use, against the real service over HTTP."""

import uuid

import pytest

from shared.api.exceptions import (
    DependencyUnavailable,
)
from shared.clients import AuthClient
from tests.conftest import access_token, outcome, refresh, refresh_token
from tokens.models import Session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def auth(live_server, settings):
    """What the User Service has."""
    return AuthClient(live_server.url, dict(settings.INTERNAL_API_KEYS)["users"])


@pytest.mark.parametrize("keep", [False, True])
def test_a_push_ends_what_is_older(auth, make_session, users, keep):
    here, there = make_session(), make_session()
    users.user["session_epoch"] = 1
    user_id = uuid.UUID(users.user["id"])

    kept = (here.id, 0) if keep else ()
    assert auth.revoke_sessions(user_id, 1, "password", *kept) == 2 - int(keep)

    assert outcome(refresh(refresh_token(there))) == (401, "token_revoked")
    assert refresh(refresh_token(here)).status_code == (200 if keep else 401)


def test_a_wrong_key_is_trouble_and_no_bad_token(
    live_server, settings, session, users, caplog
):
    """Also that of a caller that may not push, which the log names."""
    known = dict(settings.INTERNAL_API_KEYS)["reports"]
    with pytest.raises(DependencyUnavailable):
        AuthClient(live_server.url, "wrong").verify_token(access_token(session, users))
    for key in ("wrong", known):
        with pytest.raises(DependencyUnavailable):
            AuthClient(live_server.url, key).revoke_sessions(session.user_id, 1, "x")
    assert Session.objects.get().revoked_at is None
    assert "forbidden" in caplog.text
