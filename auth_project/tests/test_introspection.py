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


@pytest.fixture
def send(settings):
    """A POST of a body, by a service with its key unless `headers` say else."""
    key = dict(settings.INTERNAL_API_KEYS)["reports"]

    def send(body, content_type=FORM, **headers):
        headers = headers or {"X-Internal-Api-Key": key}
        client = APIClient(raise_request_exception=False)
        return client.generic("POST", URL, body, content_type, headers=headers)

    return send


@pytest.fixture
def introspect(send):
    """The answer about a token."""
    return lambda token, **headers: send(urlencode({"token": token}), **headers)


def basic(name, key):
    """As RFC 6749 section 2.3.1 has it."""
    return raw_basic(f"{quote_plus(name)}:{quote_plus(key)}".encode())


def raw_basic(pair):
    return f"Basic {b64encode(pair).decode()}"


# ---- Answers -------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("username", "email", "roles"), ()])
def test_a_live_token_is_answered_with_its_claims(
    session, users, introspect, settings, names
):
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
        {"session": "revoked"},
        {"session": None},
        {"exp": 1},
        {"iat": 2**33},
        {"aud": "other"},
        {"sub": "ada"},
        {"headers": {"typ": "JWT"}},
        {"headers": {"kid": "other"}},
        {"key": None, "algorithm": "none"},
    ],
    ids=str,
)
def test_a_token_of_no_use_is_inactive_without_a_reason(make_token, introspect, claims):
    answer = introspect(make_token(**claims))

    assert (answer.status_code, answer.json()) == (200, INACTIVE)
    assert answer["Cache-Control"] == "no-store"


def test_only_the_access_token_itself_is_active(session, users, introspect):
    """TOK-03: a refresh token is for auth alone. And none is trimmed."""
    wrong = [refresh_token(session), f" {access_token(session, users)}"]
    for text in [*wrong, "x", " ", "a.b.c", "é.é.é", "x" * 50_000]:
        answer = introspect(text)
        assert (answer.status_code, answer.json()) == (200, INACTIVE)


# ---- Requests ------------------------------------------------------------------------


@pytest.mark.parametrize("hint", ["refresh_token", "nonsense", ""])
@pytest.mark.parametrize("content_type", [FORM.upper(), f"{FORM};charset=UTF-8"])
def test_the_hint_is_ignored(session, users, send, hint, content_type):
    form = {"token_type_hint": hint, "token": access_token(session, users), "a": "x"}

    assert send(urlencode(form), content_type).json()["active"] is True


@pytest.mark.parametrize("body", ["", "token_type_hint=x", "token=", "token=a%00b"])
def test_without_a_token_it_is_400(send, body):
    answer = send(body)

    assert outcome(answer) == (400, "validation_error")
    assert list(answer.json()["errors"]) == ["token"]


@pytest.mark.parametrize(
    "body",
    [
        *("token=x&token=x", "token=x&tok%65n=y", "token=x&a=1&a=1", "token", "=x"),
        *("token=x&", "token=%zz", "token=x%4", "token=%ff%fe", "token=%ed%a0%80"),
        *("token=\xe9".encode("latin-1"), "token=é".encode(), '{"token": "x"}'),
        "&" * 60_000,
    ],
    ids=lambda body: repr(body)[:24],
)
def test_a_form_that_is_none_is_400(send, body):
    """INP-01, INP-04; RFC 6749 section 3.2: no parameter more than once."""
    assert outcome(send(body)) == (400, "invalid_form")


@pytest.mark.parametrize(
    "content_type", ["application/json", f"{FORM}; charset=utf-16", "garbage", ""]
)
def test_another_type_is_415(send, content_type):
    answer = send("token=x", content_type)

    assert outcome(answer) == (415, "unsupported_media_type")
    assert answer["Accept"] == FORM


def test_a_body_over_the_limit_is_413(send, settings):
    body = "token=" + "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    assert outcome(send(body)) == (413, "payload_too_large")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_405(service_client, make_token, method):
    """RFC 7662 section 4: a token in an address would be in logs."""
    answer = service_client("users").generic(method, f"{URL}?token={make_token()}")

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


# ---- Callers -------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Basic", "BASIC"])
def test_a_standard_client_presents_name_and_key(
    session, users, introspect, settings, caplog, scheme
):
    """The log names the caller, and no key."""
    key = dict(settings.INTERNAL_API_KEYS)["reports"]
    header = basic("reports", key).replace("Basic", scheme)
    token = access_token(session, users)
    caplog.set_level("INFO", logger="memo.access")

    assert introspect(token, Authorization=header).json()["active"] is True

    (line,) = [record for record in caplog.records if record.name == "memo.access"]
    assert vars(line)["caller"] == "service:reports"
    assert not [secret for secret in (key, token) if secret in str(vars(line))]


def test_name_and_key_are_form_urlencoded_within(session, users, introspect, settings):
    """RFC 6749 section 2.3.1. A key may hold what means something in a form."""
    key = "a+b%2F:=&é" * 5
    settings.INTERNAL_API_KEYS = [("reports", "another" * 7), ("reports", key)]
    token = access_token(session, users)

    answer = introspect(token, Authorization=basic("reports", key))
    plain = introspect(token, Authorization=raw_basic(f"reports:{key}".encode()))

    assert answer.json()["active"] is True
    assert outcome(plain) == (401, "service_auth_failed")


USERS = basic("users", KEY)
BAD_CREDENTIALS = {
    "nothing": {"X-Other": "x"},
    "empty-key": {"X-Internal-Api-Key": ""},
    "wrong-key": {"X-Internal-Api-Key": "x"},
    "both": {"Authorization": USERS, "X-Internal-Api-Key": KEY},
    "bearer-too": {"Authorization": "Bearer x", "X-Internal-Api-Key": KEY},
    "empty-header-too": {"Authorization": "", "X-Internal-Api-Key": KEY},
}
BAD_AUTHORIZATIONS = {
    "wrong-secret": basic("users", "x"),
    "key-of-another": basic("reports", KEY),
    "unknown-name": basic("unknown", KEY),
    "no-name": basic("", KEY),
    "empty-pair": basic("", ""),
    "no-secret": basic("users", ""),
    "swapped": basic(KEY, "users"),
    "other-case": basic("Users", KEY),
    "bearer": f"Bearer {KEY}",
    "bare": "Basic",
    "not-base64": f"Basic users:{KEY}",
    "no-pair": raw_basic(b"users"),
    "not-utf-8": raw_basic(b"\xff\xfe:x"),
    "broken-escape": raw_basic(b"users:%zz"),
    "broken-utf-8": raw_basic(b"users:%ff"),
    "third-word": f"{USERS} x",
    "not-ascii": f"{USERS}é",
    "cut-off": USERS[:-3],
    "twice": f"{USERS}, {USERS}",
}
BAD_CREDENTIALS |= {n: {"Authorization": h} for n, h in BAD_AUTHORIZATIONS.items()}


@pytest.mark.parametrize("headers", BAD_CREDENTIALS.values(), ids=BAD_CREDENTIALS)
def test_without_good_credentials_it_is_the_services_fault(
    make_token, introspect, headers
):
    """TOK-22: never a word about the token, and a challenge for each way in."""
    answer = introspect(make_token(), **headers)

    assert outcome(answer) == (401, "service_auth_failed")
    assert answer["WWW-Authenticate"] == CHALLENGES


def test_credentials_come_before_the_body(send):
    answer = send("token=x&token=y", "text/plain", Authorization="Basic x")

    assert outcome(answer) == (401, "service_auth_failed")


@pytest.mark.parametrize("route", ["verify_token", "sessions/revoke"])
def test_no_other_route_takes_basic(api_client, route):
    headers = {"Authorization": USERS}

    answer = api_client.post(f"/api/v1/auth/{route}", {}, headers=headers)

    assert outcome(answer) == (401, "service_auth_failed")
    assert answer["WWW-Authenticate"] == 'ApiKey realm="internal"'


def test_the_schema_names_either_way_in(api_client):
    schema = api_client.get("/api/v1/auth/openapi.json").json()

    schemes = schema["components"]["securitySchemes"]
    assert schemes["clientSecretBasic"]["scheme"] == "basic"
    operation = schema["paths"][URL]["post"]
    assert operation["security"] == [{"clientSecretBasic": []}, {"internalApiKey": []}]
    assert list(operation["requestBody"]["content"]) == [FORM]
