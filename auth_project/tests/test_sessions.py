"""A user's sessions: listed, ended one by one, ended all."""

import uuid
from datetime import datetime

import pytest
from rest_framework.test import APIClient

from tests.conftest import (
    access_token,
    age,
    cookie_of,
    outcome,
    refresh,
    refresh_token,
    signed_in,
    state_in_redis,
)
from tokens.models import Session

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/sessions"
ALL = "/api/v1/auth/logout_all"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def here(make_session):
    """The session that asks."""
    return make_session(user_agent=FIREFOX, ip="203.0.113.77")


@pytest.fixture
def ada(here, users):
    return signed_in(here, users)


@pytest.fixture
def stranger(make_session):
    """A live session of another user."""
    return make_session(user_id=uuid.uuid4())


# --- The list -----------------------------------------------------------------------


def test_a_session_is_shown_as_its_owner_may_recognise_it(ada, here):
    answer = ada.get(URL)

    assert answer.status_code == 200
    (shown,) = answer.json()
    for name in ("created_at", "last_used_at", "expires_at"):
        assert shown[name].endswith("Z")
        assert datetime.fromisoformat(shown.pop(name)) == getattr(here, name)
    assert shown == {
        "id": str(here.id),
        "ip": "203.0.113.0/24",
        "device": "Firefox on Linux",
        "current": True,
    }


def test_only_live_sessions_of_the_caller_are_listed(ada, here, make_session, stranger):
    """The last used first."""
    there, elsewhere = make_session(), make_session()
    age(there, 50)
    age(elsewhere, -50)
    make_session(revoked=True)
    make_session(expired=True)

    shown = [(each["id"], each["current"]) for each in ada.get(URL).json()]

    order = [elsewhere, here, there]
    assert shown == [(str(each.id), each is here) for each in order]


def test_the_list_has_an_end(ada, make_session):
    for _ in range(101):
        make_session()

    assert len(ada.get(URL).json()) == 100


# --- One ----------------------------------------------------------------------------


@pytest.mark.parametrize("current", [False, True])
def test_an_ended_session_is_refused_at_once(
    ada, here, make_session, users, verified, current
):
    there = here if current else make_session()
    token = access_token(there, users)
    assert verified(token).status_code == 200

    answer = ada.delete(f"{URL}/{there.id}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert outcome(verified(token)) == (401, "token_revoked")
    assert outcome(refresh(refresh_token(there))) == (401, "token_revoked")
    assert Session.objects.get(id=there.id).revoked_reason == "session_ended"
    assert ada.get(URL).status_code == (401 if current else 200)


def test_foreign_unknown_and_ended_look_alike(ada, make_session, stranger):
    over = make_session(revoked=True)
    ids = [stranger.id, over.id, uuid.uuid4()]

    answers = [ada.delete(f"{URL}/{each}").json() for each in ids]

    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["code"] == "not_found"
    stranger.refresh_from_db()
    assert stranger.revoked_at is None
    assert state_in_redis(stranger) is None


# --- All ----------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, {}, {"keep_current": False}])
def test_logging_out_everywhere(ada, here, make_session, users, verified, body):
    there = make_session()
    tokens = [access_token(each, users) for each in (here, there)]

    answer = ada.post(ALL, body)

    assert (answer.status_code, answer.json()) == (200, {"revoked": 2})
    assert users.user["session_epoch"] == 1
    for token in tokens:
        assert outcome(verified(token)) == (401, "token_revoked")
    for each in (here, there):
        assert outcome(refresh(refresh_token(each))) == (401, "token_revoked")
    assert set(Session.objects.values_list("revoked_reason")) == {("logout_all",)}


def test_logging_out_everywhere_else(ada, here, make_session, audited):
    there = make_session()

    answer = ada.post(ALL, {"keep_current": True})

    assert (answer.status_code, answer.json()) == (200, {"revoked": 1})
    events = [each.event for each in audited()]
    assert events == ["authn_token_revoked", "session_logout_all"]
    assert [each["id"] for each in ada.get(URL).json()] == [str(here.id)]
    assert outcome(refresh(refresh_token(there))) == (401, "token_revoked")
    here.refresh_from_db()
    assert (here.user_epoch, here.revoked_at) == (1, None)
    assert refresh(refresh_token(here)).status_code == 200


def test_a_login_that_verified_before_dies_at_its_first_refresh(
    ada, make_session, users
):
    """Its row comes after the revocation; its epoch does not."""
    verified_before = users.user["session_epoch"]
    ada.post(ALL)
    late = make_session(user_epoch=verified_before)

    assert outcome(refresh(refresh_token(late))) == (401, "token_revoked")
    assert Session.objects.get(id=late.id).revoked_reason == "epoch"


def test_a_user_who_is_gone_has_no_sessions(ada, here, users):
    users.gone = True

    assert outcome(ada.post(ALL)) == (401, "token_revoked")
    assert Session.objects.get().revoked_reason == "user_gone"


@pytest.mark.parametrize(
    ("body", "sent", "cleared"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"keep_current": True}, True, False),
    ],
    ids=["all", "no-cookie", "all-but-this"],
)
def test_the_cookie_goes_with_its_session(ada, here, body, sent, cleared):
    headers = {"Cookie": f"refresh_token={refresh_token(here)}"} if sent else {}

    answer = ada.post(ALL, body, headers=headers)

    assert cookie_of(answer) == ("" if cleared else None)


@pytest.mark.parametrize("value", [None, "true", "", 0, 1, [], {}])
def test_keep_current_is_a_boolean(ada, users, value):
    answer = ada.post(ALL, {"keep_current": value})

    assert outcome(answer) == (400, "validation_error")
    assert list(answer.json()["errors"]) == ["keep_current"]
    assert users.user["session_epoch"] == 0


# --- Who asks -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", URL), ("delete", f"{URL}/{uuid.UUID(int=1)}"), ("post", ALL)],
)
def test_an_access_token_is_needed(here, make_token, method, path):
    """Neither the cookie nor a service's key will do."""
    cookie = f"refresh_token={refresh_token(here)}"
    wrong = {
        "token_missing": {"Cookie": cookie, "X-Internal-Api-Key": "users-key" * 8},
        "token_invalid": {"Authorization": f"Bearer {refresh_token(here)}"},
        "token_expired": {"Authorization": f"Bearer {make_token(exp=1)}"},
    }
    for code, headers in wrong.items():
        answer = getattr(APIClient(), method)(path, headers=headers)
        assert outcome(answer) == (401, code)
        assert answer["WWW-Authenticate"].startswith("Bearer ")
    here.refresh_from_db()
    assert here.revoked_at is None


def test_what_redis_does_not_know_the_table_is_asked(ada, here, settings):
    """And no service over HTTP: this one has no address of itself."""
    settings.AUTH_SERVICE_URL = "http://127.0.0.1:1"

    assert ada.get(URL).status_code == 200
    assert state_in_redis(here) == b"active"
