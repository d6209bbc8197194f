"""RFC 7662: what standard clients receive about a token."""

import time
import uuid
from base64 import b64encode
from urllib.parse import quote_plus, urlencode

import pytest
from rest_framework.test import APIClient

from tests.conftest import FORM, access_token, log_out, outcome, refresh_token

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/introspect"
CHALLENGES = 'Basic realm="internal", ApiKey realm="internal"'
INACTIVE = {"active": False}
KEY = "users-key" * 8  # of conftest


def send(body, content_type=FORM, **headers):
    """A POST of a body, by a service with its key unless `headers` say else."""
    headers = headers or {"X-Internal-Api-Key": KEY}
    client = APIClient(raise_request_exception=False)
    return client.generic("POST", URL, body, content_type, headers=headers)


def introspect(token, **headers):
    return send(urlencode({"token": token}), **headers)


def raw_basic(pair):
    return f"Basic {b64encode(pair).decode()}"


def basic(name, key):
    """As RFC 6749 section 2.3.1 has it."""
    return raw_basic(f"{quote_plus(name)}:{quote_plus(key)}".encode())


# ---- Answers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [("username", "email", "email_verified", "roles"), ()]
)
def test_a_live_token_is_answered_with_its_claims(session, users, settings, names):
    """TOK-23. It is inactive from the logout on."""
    settings.ACCESS_TOKEN_CLAIMS = names
    token = access_token(session, users)

    answer = introspect(token)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    claims = answer.json()
    iat, exp, jti = (claims.pop(name) for name in ("iat", "exp", "jti"))
    assert claims == {
        "active": True,
        "sub": users.user["id"],
        **{name: users.user[name] for name in names},
        "aud": settings.JWT_AUDIENCE,
        "auth_time": int(session.created_at.timestamp()),
        "acr": "aal1",
        "amr": ["pwd"],
        "client_id": "memo",
        "epoch": session.user_epoch,
        "iss": settings.JWT_ISSUER,
        "sid": str(session.id),
        "token_type": "Bearer",
    }
    assert exp - iat == 300
    assert abs(iat - time.time()) < 10
    assert uuid.UUID(jti)
    log_out(refresh_token(session))
    assert introspect(token).json() == INACTIVE


@pytest.mark.parametrize(
    "claims",
    [
        *({"session": "revoked"}, {"session": None}, {"exp": 1}, {"iat": 2**33}),
        *({"aud": "other"}, {"sub": "ada"}, {"headers": {"typ": "JWT"}}),
        *({"headers": {"kid": "other"}}, {"key": None, "algorithm": "none"}),
    ],
    ids=str,
)
def test_a_token_of_no_use_is_inactive_without_a_reason(make_token, claims):
    answer = introspect(make_token(**claims))

    assert (answer.status_code, answer.json()) == (200, INACTIVE)
    assert answer["Cache-Control"] == "no-store"


# ---- Requests ------------------------------------------------------------------------


@pytest.mark.parametrize("hint", ["refresh_token", "nonsense", ""])
@pytest.mark.parametrize("content_type", [FORM.upper(), f"{FORM};charset=UTF-8"])
def test_the_hint_is_ignored(session, users, hint, content_type):
    form = {"token_type_hint": hint, "token": access_token(session, users), "a": "x"}

    assert send(urlencode(form), content_type).json()["active"] is True


BAD_FORMS = {
    "validation_error": ("", "token_type_hint=x", "token=", "token=a%00b"),
    "invalid_form": (
        *("token=x&tok%65n=y", "token=x&a=1&a=1", "token", "=x", "token=x&"),
        *("token=%zz", "token=%ff%fe", "token=é".encode(), '{"token": "x"}'),
    ),
}


def test_a_form_that_is_none_or_has_no_token_is_400():
    """INP-01, INP-04; RFC 6749 section 3.2: no parameter more than once."""
    for code, bodies in BAD_FORMS.items():
        for body in bodies:
            answer = send(body)
            assert outcome(answer) == (400, code), body[:24]
            assert list(answer.json().get("errors", ["token"])) == ["token"]


@pytest.mark.parametrize(
    "content_type", ["application/json", f"{FORM}; charset=utf-16", "garbage", ""]
)
def test_another_type_is_415(settings, content_type):
    answer = send("token=x", content_type)

    assert outcome(answer) == (415, "unsupported_media_type")
    assert answer["Accept"] == FORM
    assert answer.json()["detail"] == f"Send {FORM}, in UTF-8."
    too_long = "token=" + "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert outcome(send(too_long)) == (413, "payload_too_large")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_405(service_client, make_token, method):
    """RFC 7662 section 4: a token in an address would be in logs."""
    answer = service_client("users").generic(method, f"{URL}?token={make_token()}")

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


# ---- Callers -------------------------------------------------------------------------


def test_a_standard_client_presents_name_and_key(session, users, settings, caplog):
    """RFC 6749 section 2.3.1: each form-urlencoded, as a key may hold what means
    something in a form. The log names the caller, and no key."""
    key = "a+b%2F:=&é" * 5
    settings.INTERNAL_API_KEYS = [("reports", "another" * 7), ("reports", key)]
    token = access_token(session, users)
    caplog.set_level("INFO", logger="memo.access")

    for header in (basic("reports", key), basic("reports", key).replace("Ba", "BA")):
        assert introspect(token, Authorization=header).json()["active"] is True
    plain = introspect(token, Authorization=raw_basic(f"reports:{key}".encode()))

    assert outcome(plain) == (401, "service_auth_failed")
    lines = [vars(each) for each in caplog.records if each.name == "memo.access"]
    callers = [line["caller"] for line in lines]
    assert callers == ["service:reports", "service:reports", None]
    assert not [secret for secret in (key, token) if secret in str(lines)]


USERS = basic("users", KEY)
BAD_AUTHORIZATIONS = {
    "wrong-secret": basic("users", "x"),
    "key-of-another": basic("reports", KEY),
    "empty-pair": basic("", ""),
    "bearer": f"Bearer {KEY}",
    "not-base64": f"Basic users:{KEY}",
    "no-pair": raw_basic(b"users"),
    "not-utf-8": raw_basic(b"\xff\xfe:x"),
    "broken-escape": raw_basic(b"users:%zz"),
    "third-word": f"{USERS} x",
    "twice": f"{USERS}, {USERS}",
}
BAD_CREDENTIALS = {
    "nothing": {"X-Other": "x"},
    "wrong-key": {"X-Internal-Api-Key": "x"},
    "both": {"Authorization": USERS, "X-Internal-Api-Key": KEY},
    "bearer-too": {"Authorization": "Bearer x", "X-Internal-Api-Key": KEY},
    **{name: {"Authorization": each} for name, each in BAD_AUTHORIZATIONS.items()},
}


@pytest.mark.parametrize("headers", BAD_CREDENTIALS.values(), ids=BAD_CREDENTIALS)
def test_without_good_credentials_it_is_the_services_fault(make_token, headers):
    """TOK-22: never a word about the token, and a challenge for each way in; before
    the body is looked at."""
    for answer in (
        introspect(make_token(), **headers),
        send("token=x&token=y", "text/plain", **headers),
    ):
        assert outcome(answer) == (401, "service_auth_failed")
        assert answer["WWW-Authenticate"] == CHALLENGES
