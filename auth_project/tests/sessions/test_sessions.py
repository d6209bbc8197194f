"""A user's sessions, for the user and for operators: listed, and ended."""

import uuid
from base64 import b64encode
from datetime import datetime

import pytest
from django.db import connection
from rest_framework.test import APIClient

from tests.conftest import (
    access_token,
    age,
    cookie_of,
    log_in,
    log_out,
    outcome,
    post,
    refresh,
    refresh_token,
    signed_in,
    state_in_redis,
)
from tokens.models import Session
from tokens.statements import COLUMNS

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/sessions"
ALL = "/api/v1/auth/logout_all"
STEP_UP = "/api/v1/auth/step_up"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def here(make_session):
    """The session that asks."""
    return make_session(user_agent=FIREFOX, ip="203.0.113.77")


@pytest.fixture
def ada(here, users):
    return signed_in(here, users)


class Owner:
    reason = "session_ended"

    def __init__(self, client, user_id):
        self.client, self.url = client, URL

    def listed(self):
        return self.client.get(self.url).json()

    def end(self, sid):
        """Whether a session has ended."""
        return self.client.delete(f"{self.url}/{sid}").status_code == 204


class Operator(Owner):
    reason = "operator"

    def __init__(self, client, user_id):
        self.client, self.url = client, f"/api/v1/auth/users/{user_id}/sessions"

    def listed(self):
        return super().listed()["sessions"]

    def end(self, sid):
        return self.client.post(f"{self.url}/{sid}/revoke").json() == {"revoked": 1}


@pytest.fixture(params=[Owner, Operator])
def by(request, ada, users, service_client):
    """A door to the sessions of the user."""
    client = ada if request.param is Owner else service_client("users")
    return request.param(client, users.user["id"])


# --- The list -----------------------------------------------------------------------


def test_a_session_is_shown_as_its_owner_may_recognise_it(by, here):
    (shown,) = by.listed()
    for name in ("created_at", "last_used_at", "expires_at"):
        assert shown[name].endswith("Z")
        assert datetime.fromisoformat(shown.pop(name)) == getattr(here, name)
    assert shown.pop("current", True) is True
    assert shown == {
        "id": str(here.id),
        "ip": "203.0.113.0/24",
        "device": "Firefox on Linux",
    }


def test_only_live_sessions_of_the_caller_are_listed(by, here, make_session):
    """The last used first, and at most a hundred."""
    there, elsewhere = make_session(), make_session()
    age(there, 50)
    age(elsewhere, -50)
    for traits in ({"revoked": True}, {"expired": True}, {"user_id": uuid.uuid4()}):
        make_session(**traits)

    shown = by.listed()

    order = [elsewhere, here, there]
    assert [each["id"] for each in shown] == [str(each.id) for each in order]
    current = [None] * 3 if by.reason == "operator" else [False, True, False]
    assert [each.get("current") for each in shown] == current
    for _ in range(101):
        make_session()
    assert len(by.listed()) == 100


# --- One ----------------------------------------------------------------------------


@pytest.mark.parametrize("current", [False, True])
def test_a_session_ends_at_once_and_once(
    by, here, make_session, users, verified, audited, current
):
    there = make_session()
    ended, other = (here, there) if current else (there, here)
    token = access_token(ended, users)
    assert verified(token).status_code == 200

    assert by.end(ended.id)

    [record] = audited()
    assert (record.event, record.reason) == ("authn_token_revoked", by.reason)
    assert record.sid == ended.id
    assert outcome(verified(token)) == (401, "token_revoked")
    assert outcome(refresh(refresh_token(ended))) == (401, "token_revoked")
    assert Session.objects.get(id=ended.id).revoked_reason == by.reason
    assert state_in_redis(ended) == f"revoked:{by.reason}".encode()
    assert refresh(refresh_token(other)).status_code == 200
    assert not by.end(ended.id)


def test_an_id_may_have_upper_case_letters(ada, make_session):
    """RFC 9562 section 4."""
    other = make_session()
    assert ada.delete(f"{URL}/{str(other.id).upper()}").status_code == 204
    assert outcome(refresh(refresh_token(other))) == (401, "token_revoked")


def test_foreign_unknown_and_ended_look_alike(by, ada, make_session):
    stranger = make_session(user_id=uuid.uuid4())
    ids = [stranger.id, make_session(revoked=True).id, uuid.uuid4()]

    assert not any(by.end(each) for each in ids)
    answers = [ada.delete(f"{URL}/{each}").json() for each in ids]

    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["code"] == "not_found"
    stranger.refresh_from_db()
    assert stranger.revoked_at is None
    assert state_in_redis(stranger) is None


# --- All ----------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("keep", [None, False, True])
def test_logging_out_everywhere(ada, here, make_session, users, verified, keep, sent):
    """Or everywhere else. The cookie goes with its session."""
    there, body = make_session(), None if keep is None else {"keep_current": keep}
    tokens = {each: access_token(each, users) for each in (here, there)}
    headers = {"Cookie": f"refresh_token={refresh_token(here)}"} if sent else {}

    answer = ada.post(ALL, body, headers=headers)

    assert (answer.status_code, answer.json()) == (200, {"revoked": 1 if keep else 2})
    assert cookie_of(answer) == ("" if sent and not keep else None)
    assert users.user["session_epoch"] == 1
    for each, token in tokens.items():
        kept = keep and each is here
        assert verified(token).status_code == (200 if kept else 401)
        assert refresh(refresh_token(each)).status_code == (200 if kept else 401)
        each.refresh_from_db()
        assert each.revoked_reason == ("" if kept else "logout_all")


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("whose", ["another user's", "another session's"])
def test_the_cookie_of_another_session_is_cleared_if_that_has_ended(
    ada, make_session, keep, whose
):
    """With either `keep_current` that is so for a session of the same user alone."""
    mine = whose == "another session's"
    other = make_session(**({} if mine else {"user_id": uuid.uuid4()}))
    headers = {"Cookie": f"refresh_token={refresh_token(other)}"}

    answer = ada.post(ALL, {"keep_current": keep}, headers=headers)

    assert cookie_of(answer) == ("" if mine else None)
    other.refresh_from_db()
    assert (other.revoked_at is not None) == mine


def test_a_logout_everywhere_that_the_gateway_gave_up_ends_nothing(
    ada, here, users, abandoned
):
    """The user has read so, and may have logged in since."""
    assert outcome(ada.post(ALL, **abandoned)) == (503, "dependency_unavailable")
    assert users.user["session_epoch"] == 0
    here.refresh_from_db()
    assert here.revoked_at is None


@pytest.mark.parametrize("path", [ALL, f"{STEP_UP}/options"])
def test_a_user_who_is_gone_has_no_sessions(ada, here, users, path):
    users.gone = True

    assert outcome(ada.post(path)) == (401, "token_revoked")
    assert Session.objects.get().revoked_reason == "user_gone"


def test_a_body_of_another_shape_ends_nothing(ada, users):
    """`keep_current` is a boolean, and nothing else."""
    bad = [(name, True) for name in ("keepCurrent", "keep_curent", "")]
    bad += [("keep_current", value) for value in (None, "true", "", 0, 1, [], {})]
    for name, value in bad:
        answer = ada.post(ALL, {name: value})
        assert outcome(answer) == (400, "validation_error")
        assert list(answer.json()["errors"]) == [name]
    assert users.user["session_epoch"] == 0


# --- Who asks -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("get", URL), ("delete", f"{URL}/{uuid.UUID(int=1)}"), ("post", ALL)),
        *(("post", STEP_UP), ("post", f"{STEP_UP}/options")),
    ],
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


@pytest.mark.parametrize(
    "who", ["another service", "no key", "a wrong key", "a user", "by HTTP Basic"]
)
def test_no_caller_but_the_user_service_speaks_for_operators(
    ada, here, users, service_client, who
):
    """Nor pushes. A known caller that is not allowed: 403, where no key at all is
    401 (S2S-03); HTTP Basic is for introspection alone."""
    basic = b64encode(b"users:" + b"users-key" * 8).decode()
    client = {
        "another service": service_client("reports"),
        "no key": APIClient(),
        "a wrong key": APIClient(headers={"X-Internal-Api-Key": "wrong"}),
        "a user": ada,
        "by HTTP Basic": APIClient(headers={"Authorization": f"Basic {basic}"}),
    }[who]
    unknown = who != "another service"
    refusal = (401, "service_auth_failed") if unknown else (403, "forbidden")
    user = f"/api/v1/auth/users/{here.user_id}"

    answers = [
        client.post(f"{URL}/revoke", {}),
        client.get(f"{user}/sessions"),
        client.post(f"{user}/sessions/{here.id}/revoke"),
        client.get(f"{user}/events"),
        client.get(f"{user}/stored_sessions"),
        client.post(f"{user}/erase"),
    ]
    if unknown:  # any service may ask about a token
        token = access_token(here, users)
        answers.append(client.post("/api/v1/auth/verify_token", {"token": token}))
    for answer in answers:
        assert outcome(answer) == refusal
        challenge = 'ApiKey realm="internal"' if unknown else None
        assert answer.get("WWW-Authenticate") == challenge
    assert Session.objects.get().revoked_at is None


def test_the_tables_of_the_next_release_serve_this_one(users):
    """With their columns more, as while it is upgraded (docs/operations/upgrade.md); by
    statements that have been prepared before."""
    users.methods = ["totp"]
    for _ in range(6):
        log_in_and_out(users)
    for table in ("tokens_session", "tokens_login", "tokens_userepoch"):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} ADD COLUMN added_next int DEFAULT 1")
    log_in_and_out(users)


def log_in_and_out(users):
    """All that is done with one session."""
    users.codes = {"123456", "654321"}
    login = log_in().json()["login"]
    entered = post("login/second_factor", data={"login": login, "totp": "123456"})
    assert entered.status_code == 200
    refreshed = refresh(entered.cookies["refresh_token"].value)
    assert refreshed.status_code == 200
    token = refreshed.json()["access_token"]
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    options = client.post("/api/v1/auth/step_up/options").json()
    body = {"login": options["login"], "totp": "654321"}
    assert client.post("/api/v1/auth/step_up", body).status_code == 200
    assert len(client.get("/api/v1/auth/sessions").json()) == 1
    assert log_out(refreshed.cookies["refresh_token"].value).status_code == 200


def test_statements_return_all_columns_that_this_version_knows():
    known = {field.attname for field in Session._meta.concrete_fields}
    assert {*COLUMNS.replace(",", "").split()} == known
