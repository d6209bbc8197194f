"""Every act where something that it needs is down: 503, nothing changed, good later.
Health says what is down: live depends on nothing, ready on what is needed."""

from contextlib import ExitStack, contextmanager

import pytest
from rest_framework.test import APIClient

from shared.keys import keyring
from shared.keys.keyring import FolderKeys
from shared.keys.signing_keys import KeyFault
from tests.conftest import (
    access_token,
    cookie_of,
    database_down,
    log_in,
    log_out,
    outcome,
    post,
    redis_down,
    refresh,
    refresh_token,
    signed_in,
    state_in_redis,
)
from tests.logins import test_passkeys
from tokens.models import Session

pytestmark = pytest.mark.django_db


@pytest.fixture
def acts(session, users, service_client, verified, introspected):
    """Each by its name; all belong to one session."""
    service, browser = service_client("users"), signed_in(session, users)
    access, cookie = access_token(session, users), refresh_token(session)
    bearer = {"Authorization": f"Bearer {access}"}
    of_user = f"/api/v1/auth/users/{session.user_id}"
    sessions = f"{of_user}/sessions"
    signed = test_passkeys.signed(test_passkeys.begin())
    push = {"user_ids": [session.user_id], "epoch": 1, "reason": "password"}
    return {
        "login": log_in,
        "refresh": lambda: refresh(cookie),
        "logout": lambda: log_out(cookie),
        "logout_all": lambda: post("logout_all", cookie, **bearer),
        "list": lambda: browser.get("/api/v1/auth/sessions"),
        "verify": lambda: verified(access),
        "introspect": lambda: introspected(access),
        "push": lambda: service.post("/api/v1/auth/sessions/revoke", push),
        "list-of-a-user": lambda: service.get(sessions),
        "end-of-a-user": lambda: service.post(f"{sessions}/{session.id}/revoke"),
        "stored": lambda: service.get(f"{of_user}/stored_sessions"),
        "passkey": lambda: post("login/passkey", data=signed),
    }


ACTS = (
    *("login", "refresh", "logout", "logout_all", "list", "verify"),
    *("introspect", "push", "list-of-a-user", "end-of-a-user", "stored", "passkey"),
)


def signer_fault():
    raise KeyFault


@pytest.fixture
def down(users, trusted_kid, tmp_path):
    """A context in which these parts give no answer."""
    no_keys = FolderKeys(tmp_path)
    replaced = {
        "users": (users, "down", True),
        "signer": (keyring, "signing_key", signer_fault),
        "keys": (keyring, "verifying_keys", lambda: no_keys),
    }

    @contextmanager
    def parts(*names):
        with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
            for name in names:
                if name in replaced:
                    patch.setattr(*replaced[name])
                else:
                    stack.enter_context(
                        database_down() if name == "database" else redis_down()
                    )
            yield

    return parts


WITHOUT_DATABASE = pytest.mark.django_db(transaction=True)
# What is down, and the acts that need it.
NEEDS = {
    ("database",): ACTS,
    ("database", "redis"): ("verify", "refresh"),
    ("users",): ("login", "refresh", "logout_all", "passkey"),
    # Before anything changes: a client that got no answer would come back with a
    # superseded token.
    ("signer",): ("login", "refresh", "passkey"),
    # A 401 would log out every user whose request reached this worker.
    ("keys",): ("refresh", "logout", "logout_all", "list", "verify", "introspect"),
}


@pytest.mark.parametrize(
    ("parts", "act"),
    [
        pytest.param(parts, act, marks=WITHOUT_DATABASE if "database" in parts else ())
        for parts, acts in NEEDS.items()
        for act in acts
    ],
)
def test_an_outage_is_503_and_changes_nothing(
    acts, down, session, users, caplog, parts, act
):
    """RFC 7009 section 2.2.1: the cookie is kept, so that a client may try again."""
    before = Session.objects.values().get()

    with down(*parts):
        answer = acts[act]()

    assert outcome(answer) == (503, "dependency_unavailable")
    assert answer["Retry-After"] == "1"
    assert cookie_of(answer) is None
    assert Session.objects.values().get() == before
    assert state_in_redis(session) in (None, b"active")
    assert "authn_login_fail" not in caplog.text
    assert parts != ("signer",) or users.calls == 0
    assert acts[act]().status_code == 200


@pytest.mark.parametrize("act", ACTS)
def test_without_redis_postgresql_decides(acts, down, act):
    """And without the User Service all works that does not need it."""
    unneeded = {"users"} if act not in NEEDS["users",] else set()
    with down("redis", *unneeded):
        assert acts[act]().status_code == 200
        ended = not Session.objects.filter(revoked_at=None).exists()
    assert ended == (act in ("logout", "logout_all", "push", "end-of-a-user"))


@pytest.mark.parametrize(
    ("parts", "ready"),
    [
        *((("redis",), True), (("keys",), False)),
        pytest.param(("database",), False, marks=WITHOUT_DATABASE),
    ],
)
def test_health_says_what_is_down(down, parts, ready):
    """DATA-12: a blip of Redis must not take every worker out."""
    fine = {"status": "ok", "service": "auth", "degraded": False}
    get = APIClient(raise_request_exception=False).get
    with down(*parts):
        live, answer = (get(f"/api/v1/auth/health/{x}") for x in ("live", "ready"))

    assert (live.status_code, live.json()) == (200, fine)
    if ready:
        assert (answer.status_code, answer.json()) == (200, fine | {"degraded": True})
    else:
        assert outcome(answer) == (503, "dependency_unavailable")
        assert answer["Retry-After"] == "1"
    assert get("/api/v1/auth/health/ready").json() == fine
