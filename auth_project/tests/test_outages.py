"""Every act where something that it needs is down: 503, nothing changed, good later."""

from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

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
from tokens.models import Session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acts(session, users, service_client, verified, introspected):
    """Each by its name; all belong to one session."""
    service, browser = service_client("users"), signed_in(session, users)
    access, cookie = access_token(session, users), refresh_token(session)
    bearer = {"Authorization": f"Bearer {access}"}
    sessions = f"/api/v1/auth/users/{session.user_id}/sessions"
    push = {"user_id": session.user_id, "epoch": 1, "reason": "password"}
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
    }


ACTS = (
    *("login", "refresh", "logout", "logout_all", "list", "verify"),
    *("introspect", "push", "list-of-a-user", "end-of-a-user"),
)


def signer_fault():
    raise KeyFault


@contextmanager
def replaced(owner, name, value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, value)
        yield


@pytest.fixture
def down(users, trusted_kid, tmp_path):
    """A context in which these parts give no answer."""
    no_keys = FolderKeys(tmp_path)
    contexts = {
        "database": database_down,
        "redis": redis_down,
        "users": partial(replaced, users, "down", True),
        "signer": partial(replaced, keyring, "signing_key", signer_fault),
        "keys": partial(replaced, keyring, "verifying_keys", lambda: no_keys),
    }

    @contextmanager
    def parts(*names):
        with ExitStack() as stack:
            for name in names:
                stack.enter_context(contexts[name]())
            yield

    return parts


# What is down, and the acts that need it.
NEEDS = {
    ("database",): ACTS,
    ("database", "redis"): ACTS,
    ("users",): ("login", "refresh", "logout_all"),
    # Before anything changes: a client that got no answer would come back with a
    # superseded token.
    ("signer",): ("login", "refresh"),
    # A 401 would log out every user whose request reached this worker.
    ("keys",): ("refresh", "logout", "logout_all", "list", "verify", "introspect"),
}


@pytest.mark.parametrize(
    ("parts", "act"), [(parts, act) for parts, acts in NEEDS.items() for act in acts]
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
    with down("redis"):
        assert acts[act]().status_code == 200
        ended = not Session.objects.filter(revoked_at=None).exists()
    assert ended == (act in ("logout", "logout_all", "push", "end-of-a-user"))


@pytest.mark.parametrize("act", [name for name in ACTS if name not in NEEDS["users",]])
def test_without_the_user_service_all_else_works(acts, down, act):
    with down("users", "redis"):
        assert acts[act]().status_code == 200
