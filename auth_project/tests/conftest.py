"""Sessions, the requests of a client, and stores that are down."""

import socket
import time
from contextlib import closing, contextmanager
from datetime import timedelta

import jwt
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import F
from django.test import override_settings
from rest_framework.test import APIClient

from shared.auth import session_state
from shared.clients import UsersClient
from tests.factories import SessionFactory
from tests.fake_users import PASSWORD, FakeUsers
from tokens import statements
from tokens.jwt_tokens import AccessToken, RefreshToken
from tokens.models import Session

CREDENTIALS = {"email": "ada@example.org", "password": PASSWORD}
CLIENT = {"X-Real-IP": "192.0.2.7", "User-Agent": "curl/8"}
FORM = "application/x-www-form-urlencoded"
CALLERS = ("users", "reports")  # `reports` stands for any service but the User Service


@pytest.fixture(autouse=True)
def _configuration(settings):
    """What the tests count with, whatever the environment says."""
    settings.COOKIE_SECURE = False
    settings.JWT_LEEWAY = 10
    settings.JWKS_MAX_AGE = 300
    settings.ACCESS_TOKEN_LIFETIME = 300
    settings.REFRESH_TOKEN_LIFETIME = 30 * 24 * 3600
    settings.SESSION_ABSOLUTE_LIFETIME = 30 * 24 * 3600
    settings.REFRESH_REUSE_LEEWAY = 10
    settings.MAX_SESSIONS_PER_USER = 10
    settings.ACCESS_TOKEN_CLAIMS = ["email", "email_verified", "username", "roles"]
    settings.INTERNAL_API_KEYS = [(name, f"{name}-key" * 8) for name in CALLERS]


@pytest.fixture
def users(monkeypatch):
    """The User Service as auth sees it."""
    fake = FakeUsers()
    named = {name for name in vars(FakeUsers) if not name.startswith("_")}
    own = {"answer", "raise_epoch", "prove", "verified"}
    assert set(dir(UsersClient)) >= named - own
    modules = "services", "logins", "step_up", "management.base"
    for name in modules:
        monkeypatch.setattr(f"tokens.{name}.users_client", lambda: fake)
    return fake


@pytest.fixture
def make_session(users, trusted_kid):
    """Makes sessions of the one user; their keys in Redis go with the test."""
    made: list[str] = []

    def make(**fields):
        session: Session = SessionFactory(**{"user_id": users.user["id"], **fields})
        session.refresh_from_db()
        made.append(session_state.key(session.id))
        return session

    yield make
    if made:
        session_state.connection().delete(*made)


@pytest.fixture
def session(make_session):
    """A session that was never refreshed."""
    return make_session()


def end_others(user_id, cap, replaced=None):
    """The statement with which a login ends other sessions of its user."""
    parameters = {"user_id": user_id, "cap": cap, "replaced": replaced}
    return Session.objects.execute(statements.END_OTHERS, parameters)


def refresh_token(session, jti=None):
    """The current refresh token of a session, or one it had before."""
    token = RefreshToken.current(session)
    if jti is not None:
        token["jti"] = str(jti)
    return str(token)


def access_token(session, users):
    return str(AccessToken.issue(session, users.user, int(time.time())))


def signed_in(session, users, **headers):
    """The browser that holds an access token of this session."""
    headers["Authorization"] = f"Bearer {access_token(session, users)}"
    return APIClient(raise_request_exception=False, headers=headers)


def post(path, cookie=None, data=None, **headers):
    """Answer to a POST, by a client that keeps nothing."""
    if cookie is not None:
        headers["Cookie"] = f"refresh_token={cookie}"
    client = APIClient(raise_request_exception=False)
    return client.post(f"/api/v1/auth/{path}", data, headers=headers)


def log_in(cookie=None, body=CREDENTIALS, **headers):
    return post("login", cookie, body, **headers)


def refresh(cookie, **headers):
    return post("refresh", cookie, **headers)


def log_out(cookie, **headers):
    return post("logout", cookie, **headers)


def outcome(response):
    """Status and code of an answer."""
    return response.status_code, response.json().get("code")


def claims_of(response):
    """What the access token of an answer says."""
    text = response.json()["access_token"]
    return jwt.decode(text, options={"verify_signature": False})


def cookie_of(response):
    """The refresh token an answer sets; "" for one cleared, None for no Set-Cookie."""
    morsel = response.cookies.get("refresh_token")
    return None if morsel is None else str(morsel.value)


def age(session, seconds):
    """Let time pass for a session: all of its times move into the past."""
    names = [field.name for field in Session._meta.fields if "_at" in field.name]
    shifted = {name: F(name) - timedelta(seconds=seconds) for name in names}
    Session.objects.filter(id=session.id).update(**shifted)
    session.refresh_from_db()


def state_in_redis(session):
    value: bytes | None = session_state.connection().get(session_state.key(session.id))
    return value


def forget(session):
    """What a flush, a restart or an eviction does to one key."""
    session_state.connection().delete(session_state.key(session.id))


@pytest.fixture
def verified(service_client):
    """The Auth Service's answer to another service that asks about a token."""
    client = service_client("users")
    return lambda token: client.post("/api/v1/auth/verify_token", {"token": token})


@pytest.fixture
def introspected(service_client):
    """The same by RFC 7662."""
    client = service_client("users")
    url = "/api/v1/auth/introspect"
    return lambda token: client.post(url, f"token={token}", content_type=FORM)


@pytest.fixture
def audited(caplog):
    """Reads the records of the audit log."""
    return lambda: [each for each in caplog.records if each.name == "memo.audit"]


@pytest.fixture
def abandoned():
    """For a request whose caller has closed the connection."""
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        yield {"gunicorn.socket": ours}


@pytest.fixture
def another_cursor(transactional_db):
    """Of a second connection, in a transaction, whose locks are not waited for long."""
    other = connection.copy()
    other.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    with closing(other), other.cursor() as cursor:
        yield cursor
        other.rollback()
    connection.close()  # with its limit


@contextmanager
def database_down():
    """No server at the database's address. For tests outside of a transaction."""
    address = {name: connection.settings_dict[name] for name in ("HOST", "PORT")}
    connection.close()
    connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": "1"}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict |= address


@contextmanager
def redis_down():
    """No server at Redis's address; the breaker forgets it afterwards."""
    default = django_settings.CACHES["default"]
    dead = {"default": {**default, "LOCATION": "redis://127.0.0.1:1"}}
    with override_settings(CACHES=dead):
        yield
    session_state.breaker.succeeded()
