"""What auth writes to its logs: who did what, and nothing that could be used."""

import io
import json
import logging
import uuid

import pytest
from rest_framework.test import APIClient

from shared.structured_logging import JSONFormatter
from tests.conftest import (
    CLIENT,
    CREDENTIALS,
    PASSWORD,
    access_token,
    cookie_of,
    database_down,
    log_in,
    log_out,
    post,
    redis_down,
    refresh,
    refresh_token,
)
from tokens.models import Event, Session

pytestmark = pytest.mark.django_db

VERIFY = "/api/v1/auth/verify_token"


@pytest.fixture
def written(monkeypatch):
    """What a process writes to its log, at the most talkative level."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter("auth"))
    monkeypatch.setattr(root, "handlers", [*root.handlers, handler])
    level = root.level
    root.setLevel(logging.DEBUG)
    yield stream.getvalue
    root.setLevel(level)


@pytest.fixture
def events(written):
    """The lines of the audit log."""

    def read():
        lines = [json.loads(line) for line in written().splitlines()]
        return [line for line in lines if line["logger"] == "memo.audit"]

    return read


def test_a_login_is_an_event_with_who_and_where(users, trusted_kid, events):
    """LOG-02: in the log, and in the table, where the address is a network."""
    answer = log_in(**CLIENT)

    (event,) = events()
    assert event["event"] == "authn_login_success"
    assert event["user_id"] == users.user["id"]
    assert (event["ip"], event["user_agent"]) == ("192.0.2.7", "curl/8")
    assert event["request_id"] == answer["X-Request-ID"]
    row = Event.objects.get()
    assert (row.sid, row.request_id) == (uuid.UUID(event["sid"]), event["request_id"])
    assert row.sid == Session.objects.get().id
    assert (row.personal.network, row.personal.user_agent) == ("192.0.2.0/24", "curl/8")


def test_reuse_is_an_event_with_both_sides(make_session, events):
    rotated = make_session(rotated=True)
    stolen = refresh_token(rotated, uuid.uuid4())

    refresh(stolen, **{"User-Agent": "thief", "X-Real-IP": "198.51.100.9"})

    revoked, reuse = events()
    assert (revoked["event"], revoked["reason"]) == ("authn_token_revoked", "reuse")
    assert reuse["event"] == "authn_token_reuse"
    assert (reuse["ip"], reuse["user_agent"]) == ("198.51.100.9", "thief")
    session = reuse["session_ip"], reuse["session_user_agent"]
    assert session == ("192.0.2.1", "factory")
    assert reuse["sid"] == str(rotated.id)


def test_each_end_of_a_refresh_is_an_event(make_session, events):
    """LOG-02. By the leeway too: a thief may shadow every refresh."""
    fresh, rotated = make_session(), make_session(rotated=True)
    expired = make_session(expired=True)
    log_out("garbage")

    refresh(refresh_token(fresh))
    refresh(refresh_token(expired))
    refresh(refresh_token(rotated, rotated.previous_jti))
    log_out(refresh_token(rotated))

    assert [(each["event"], each["sid"]) for each in events()] == [
        ("session_renewed", str(fresh.id)),
        ("session_expired", str(expired.id)),
        ("authn_token_leeway", str(rotated.id)),
        ("authn_token_revoked", str(rotated.id)),
        ("session_logout", str(rotated.id)),
    ]


def test_a_service_that_is_refused_is_an_event(service_client, events):
    """Unknown to us, or known and not allowed: who and where."""
    APIClient().post(VERIFY, headers={"X-Internal-Api-Key": "wrong"})
    service_client("reports").post("/api/v1/auth/sessions/revoke")

    unknown, forbidden = events()
    assert unknown["event"] == forbidden["event"] == "authz_fail"
    assert (unknown["code"], unknown["caller"]) == ("service_auth_failed", None)
    assert (forbidden["code"], forbidden["caller"]) == ("forbidden", "service:reports")
    assert forbidden["route"] == "api/v1/auth/sessions/revoke"


@pytest.mark.django_db(transaction=True)
def test_no_token_password_or_key_is_ever_written(
    users, make_session, service_client, settings, written, events
):
    """LOG-01: through every act, its refusals and its faults. A failed login names
    nothing: users type their password where their name belongs."""
    log_in(body=CREDENTIALS | {"email": "canary", "password": "canary-password"})
    assert events() == []
    granted = log_in(**{"User-Agent": "a\x1b[31m\u2028b"})
    session = make_session()
    token, access = refresh_token(session), access_token(session, users)
    secrets = {PASSWORD, "canary", token, access, granted.json()["access_token"]}
    secrets |= {cookie_of(granted), settings.SECRET_KEY}
    secrets |= {key for _, key in settings.INTERNAL_API_KEYS}

    service = service_client("users")
    for act in (refresh, log_out, refresh):
        act(token)
        act("canary-cookie")
        for text in (access, "canary-token", ["canary"]):
            service.post(VERIFY, {"token": text})
    APIClient().post(VERIFY, headers={"X-Internal-Api-Key": "canary-key"})
    users.methods, users.codes = ["totp"], {"canary-code"}
    secrets.add(login := log_in().json()["login"])
    for code in ("canary-wrong", "canary-code"):
        post("login/second_factor", data={"login": login, "totp": code})
    with redis_down(), database_down():
        refresh(token)
        log_out(token)
        service.post(VERIFY, {"token": access})

    text = written()
    assert "memo.dependency" in text
    for secret in secrets:
        assert secret not in text
        # Nor a part of it: the signature alone is worth nothing, but says what it was.
        assert secret.rpartition(".")[2][:40] not in text
    for line in text.splitlines():
        assert json.loads(line)["service"] == "auth"
        assert line.isascii()
