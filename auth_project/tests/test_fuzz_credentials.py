"""Cookies, Basic credentials and bodies that are nearly right (TOK-02, TOK-13, COOK-08,
INP-01): refused, with nothing changed."""

import base64
import json
import uuid

import pytest
from django.test import RequestFactory
from hypothesis import example, given
from hypothesis import strategies as st

from shared.api.exceptions import TokenError, TokenInvalid, TokenMissing
from shared.tests.fuzzing import fuzz
from shared.tests.mutated_text import header_texts, mutated, nested, sendable, values
from tests.conftest import FORM, log_out, outcome, refresh, refresh_token
from tests.factories import SessionFactory
from tokens import cookies
from tokens.authentication import basic_credentials
from tokens.jwt_tokens import RefreshToken, SpentRefreshToken
from tokens.models import Session

pytestmark = pytest.mark.django_db

JSON = "application/json"
BASIC = "Basic " + base64.b64encode(b"users:a%2Bb").decode()
REVOCATION = {
    "user_id": str(uuid.uuid4()),
    "epoch": 3,
    "reason": "password",
    "keep_sid": str(uuid.uuid4()),
}


@fuzz
@given(
    header=st.one_of(
        mutated("theme=dark; refresh_token=a.b.c").map(sendable), header_texts()
    )
)
@example(header="refresh_token")
@example(header="refresh_token=a; refresh_token=a")
@example(header="refresh_token=a;refresh_token")
@example(header="\xa0refresh_token=a; refresh_token=b")
def test_a_cookie_is_there_once_or_refused(header):
    """By the standard's own words: pairs between semicolons, the name up to the first
    equals sign (RFC 6265 section 5.4)."""
    names = [pair.strip().partition("=")[0] for pair in header.split(";")]
    request = RequestFactory().post("/", HTTP_COOKIE=header)
    if names.count("refresh_token") > 1:
        with pytest.raises(TokenInvalid):
            cookies.find(request)
    elif "refresh_token" not in names:
        assert cookies.find(request) is None
        with pytest.raises(TokenMissing):
            cookies.read(request)
    else:
        found = cookies.find(request)
        assert found is not None
        assert f"refresh_token={found}" in header or found == ""


@fuzz
@given(data=st.data())
def test_a_refresh_token_that_was_touched_changes_nothing(session, users, data):
    """Neither refresh nor logout does anything with it, or asks the User Service."""
    good = refresh_token(session)
    other = refresh_token(SessionFactory(user_id=users.user["id"]))
    text = sendable(data.draw(mutated(good, other)))
    if text.strip() in (good, other) or ";" in text:
        return  # whole after all, or more than one cookie
    before = Session.objects.filter(id=session.id).values().get()

    status, code = outcome(refresh(text))
    assert (status, code) in ((401, "token_invalid"), (401, "token_missing"))
    assert outcome(log_out(text)) == (200, None)
    assert users.calls == 0
    assert Session.objects.filter(id=session.id).values().get() == before


@fuzz
@given(text=header_texts())
def test_any_text_is_a_refresh_token_or_an_error_of_ours(trusted_kid, text):
    for kind in (RefreshToken, SpentRefreshToken):
        with pytest.raises(TokenError):
            kind.parse(text)


@fuzz
@given(header=st.one_of(mutated(BASIC).map(sendable), header_texts()))
@example(header="Basic dXNlcnM6JXh4")  # users:%xx
@example(header="Basic " + base64.b64encode(b"users:%ff").decode())
@example(header="Basic " + base64.b64encode(b"\xff:a").decode())
def test_basic_credentials_are_a_pair_or_open_nothing(api_client, settings, header):
    settings.INTERNAL_API_KEYS = [("users", "a+b")]
    answer = api_client.post(
        "/api/v1/auth/introspect",
        "token=x",
        content_type=FORM,
        headers={"Authorization": header},
    )
    try:
        name, key = basic_credentials(header)
    except ValueError:
        name = key = ""
    else:
        assert header.split()[0].lower() == "basic"
        assert (name + key).encode()
    assert answer.status_code == (200 if (name, key) == ("users", "a+b") else 401)


BODIES = {
    "sessions/revoke": REVOCATION,
    "verify_token": {"token": "a"},
    "login": {"email": "a", "password": "b"},
    "logout_all": {"keep_current": True},
}
FIELDS = [(path, name) for path, body in BODIES.items() for name in body]


@fuzz
@given(field=st.sampled_from(FIELDS), value=values())
@example(field=("sessions/revoke", "epoch"), value=nested(790))
@example(field=("sessions/revoke", "epoch"), value="٣")
@example(field=("sessions/revoke", "epoch"), value=1e308)
@example(field=("sessions/revoke", "reason"), value="password\n")
def test_no_body_is_a_fault_of_ours(service_client, users, field, value):
    path, name = field
    body = json.dumps({**BODIES[path], name: value})
    client = service_client("users")
    answer = client.post(f"/api/v1/auth/{path}", body, content_type=JSON)
    assert answer.status_code in ((200, 400) if "revoke" in path else (400, 401))
