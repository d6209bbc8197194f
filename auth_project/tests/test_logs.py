"""What auth writes down: who did what, and nothing that could be used."""

import io
import json
import logging
import uuid

import pytest
from rest_framework.test import APIClient

from shared.structured_logging import JSONFormatter
from tests.conftest import (
    PASSWORD,
    access_token,
    cookie_of,
    database_away,
    log_out,
    redis_away,
    refresh,
    refresh_token,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def written(monkeypatch):
    """What a process writes to its log, at the most talkative level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter("auth"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream.getvalue
    root.removeHandler(handler)
    root.setLevel(level)


def events(text):
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["logger"] == "memo.audit"]


def log_in(password=PASSWORD, login="ada@example.org"):
    client = APIClient(headers={"User-Agent": "curl/8", "X-Real-IP": "192.0.2.7"})
    body = {"email": login, "password": password}
    return client.post("/api/v1/auth/login", body, "json")


def test_a_login_is_an_event_with_who_and_where(users, trusted_kid, written):
    """LOG-02."""
    answer = log_in()

    (event,) = events(written())
    assert event["event"] == "authn_login_success"
    assert event["user_id"] == users.user["id"]
    assert (event["ip"], event["user_agent"]) == ("192.0.2.7", "curl/8")
    assert event["request_id"] == answer["X-Request-ID"]
    uuid.UUID(event["sid"])


def test_a_failed_login_does_not_name_what_was_typed(users, written):
    """People type their password where their name belongs."""
    log_in(password="canary-password", login="canary-login")

    assert events(written()) == []  # the User Service tells of it
    assert "canary" not in written()


def test_reuse_is_an_event_with_both_sides(make_session, written):
    rotated = make_session(rotated=True)
    stolen = refresh_token(rotated, uuid.uuid4())

    refresh(stolen, **{"User-Agent": "thief", "X-Real-IP": "198.51.100.9"})

    revoked, reuse = events(written())
    assert (revoked["event"], revoked["reason"]) == ("authn_token_revoked", "reuse")
    assert reuse["event"] == "authn_token_reuse"
    assert (reuse["ip"], reuse["user_agent"]) == ("198.51.100.9", "thief")
    assert (reuse["session_ip"], reuse["session_user_agent"]) == (
        "192.0.2.1",
        "factory",
    )
    assert reuse["sid"] == str(rotated.id)


def test_an_answer_by_the_leeway_is_an_event(make_session, written):
    """What the leeway costs: a thief who shadows every refresh. So it is on record."""
    rotated = make_session(rotated=True)

    refresh(refresh_token(rotated, rotated.previous_jti))

    (event,) = events(written())
    assert event["event"] == "authn_token_leeway"
    assert event["session_ip"] == "192.0.2.1"


def test_a_refresh_is_an_event_and_so_is_one_that_comes_too_late(make_session, written):
    """LOG-02."""
    lively, over = make_session(), make_session(expired=True)

    refresh(refresh_token(lively))
    refresh(refresh_token(over))

    renewed, expired = events(written())
    assert (renewed["event"], renewed["sid"]) == ("session_renewed", str(lively.id))
    assert (expired["event"], expired["sid"]) == ("session_expired", str(over.id))


def test_a_service_that_is_refused_is_an_event(service_client, written):
    """Unknown to us, or known and not allowed: who, where, and no key."""
    verify, revoke = "/api/v1/auth/verify_token", "/api/v1/auth/sessions/revoke"
    APIClient().post(verify, {}, "json", headers={"X-Internal-Api-Key": "canary-key"})
    service_client("reports").post(revoke, {}, "json")

    unknown, forbidden = events(written())
    assert unknown["event"] == forbidden["event"] == "authz_fail"
    assert (unknown["code"], unknown["caller"]) == ("service_auth_failed", None)
    assert (forbidden["code"], forbidden["caller"]) == ("forbidden", "service:reports")
    assert forbidden["route"] == "api/v1/auth/sessions/revoke"
    assert "canary" not in written()


def test_a_logout_is_an_event_and_garbage_is_none(session, written):
    log_out("garbage")
    assert events(written()) == []

    log_out(refresh_token(session))

    assert [e["event"] for e in events(written())] == [
        "authn_token_revoked",
        "session_logout",
    ]


@pytest.mark.django_db(transaction=True)
def test_no_token_password_or_key_is_ever_written(
    users, make_session, service_client, settings, written
):
    """LOG-01: through every act, its refusals and its faults."""
    granted = log_in()
    log_in(password="canary-password")
    session = make_session()
    token, access = refresh_token(session), access_token(session, users)
    secrets = {PASSWORD, "canary", token, access, granted.json()["access_token"]}
    secrets |= {cookie_of(granted), settings.SECRET_KEY}
    secrets |= {key for _, key in settings.INTERNAL_API_KEYS}

    service = service_client("users")
    verify = "/api/v1/auth/verify_token"
    for act in (refresh, log_out, refresh):
        act(token)
        act("canary-cookie")
        service.post(verify, {"token": access}, "json")
        service.post(verify, {"token": "canary-token"}, "json")
        service.post(verify, {"token": ["canary"]}, "json")
    APIClient().post(verify, {}, "json", headers={"X-Internal-Api-Key": "canary-key"})
    with redis_away(), database_away():
        refresh(token)
        log_out(token)
        service.post(verify, {"token": access}, "json")

    text = written()
    assert "memo.dependency" in text
    for secret in secrets:
        assert secret not in text
        # Nor a part of it: the signature alone is worth nothing, but says what it was.
        assert secret.rpartition(".")[2][:40] not in text


def test_every_line_is_one_json_object(session, written):
    refresh(refresh_token(session), **{"User-Agent": "a\x1b[31m\u2028b"})
    log_out(refresh_token(session))

    for line in written().splitlines():
        assert json.loads(line)["service"] == "auth"
        assert line.isascii()
