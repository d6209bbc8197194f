"""No access token is longer than services take, and no `active` outlives its token."""

import time
from bisect import bisect_left
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jwt.utils import base64url_decode

from shared.auth import session_state
from shared.auth.access_tokens import MAX_LENGTH
from shared.auth.authentication import JWTAuthentication
from shared.tests.fuzzing import fuzz
from tests.conftest import age, claims_of, forget, log_in, refresh, refresh_token
from tokens import services
from tokens.jwt_tokens import AccessToken, Backend

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("more", [0, 1])
def test_the_longest_that_is_issued_is_the_longest_that_is_taken(
    session, users, verified, introspected, audited, more
):
    """One limit for both: a character more, and the roles are left out."""

    def issue(length):
        user = {**users.user, "roles": ["x" * length]}
        return AccessToken.issue(session, user, int(time.time()))

    too_long = bisect_left(
        range(MAX_LENGTH), True, key=lambda n: "roles" not in issue(n).payload
    )
    longest = too_long - 1
    before = len(audited())
    text = issue(longest + more).text

    roles = None if more else ["x" * longest]
    assert len(text) <= MAX_LENGTH
    assert services.verify(text).get("roles") == verified(text).json()["roles"] == roles
    assert introspected(text).json().get("roles_omitted") == (True if more else None)
    events = [record.event for record in audited()[before:]]
    assert events == ["token_roles_omitted"] * more


def test_a_refresh_makes_the_login_no_newer(session, users):
    """PRIV-04. RFC 9068 section 2.2.1."""
    age(session, 1000)
    claims = claims_of(refresh(refresh_token(session)))
    assert claims["auth_time"] == int(session.created_at.timestamp())
    assert claims["iat"] - claims["auth_time"] >= 1000


# Any that a database takes: also of an earlier version, which took 150 characters.
role_names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
role_sets = st.lists(role_names.map(lambda name: name[:150]), max_size=6, unique=True)


@fuzz
@given(roles=role_sets, count=st.sampled_from([1, 1, 20, 90]))
@example(roles=["x" * 50], count=90)
@example(roles=["\u0440\u043e\u043b\u044c " * 10], count=35)
@example(roles=['"' * 64], count=40)
@example(roles=["\U0001f511" * 150], count=10)
@example(roles=["\u2028\x01" * 75], count=30)
def test_every_token_that_is_issued_is_taken_everywhere(
    session, users, verified, introspected, audited, roles, count
):
    """By auth, by introspection, by every service, and by the gateway, whose headers
    have up to 8 KiB. Or it names no role, which a line in the log says."""
    roles = [f"{name}{n}" for name in roles for n in range(count)]
    before = len(audited())

    token = AccessToken.issue(session, users.user | {"roles": roles}, int(time.time()))

    named = None if "roles_omitted" in token.payload else roles
    events = [record.event for record in audited()[before:]]
    assert events == ["token_roles_omitted"] * (named is None)
    assert len(f"Authorization: Bearer {token.text}\r\n") < 8 * 1024
    assert verified(token.text).json()["roles"] == named
    answer = introspected(token.text).json()
    assert (answer["active"], answer.get("roles")) == (True, named)
    assert JWTAuthentication().verify(token.text).get("roles") == named


@pytest.mark.parametrize("role", ["x" * 50, "\u042f" * 30, "\u6f22" * 20])
def test_claims_are_written_in_utf_8(session, users, role):
    """A role takes the room of its bytes; escaped, it would take six for a letter."""
    token = AccessToken.issue(session, users.user | {"roles": [role]}, 0)

    claims = base64url_decode(token.text.split(".")[1]).decode()
    assert f'"roles":["{role}"]' in claims


def test_each_token_is_signed_once(users, trusted_kid):
    """A signature takes a millisecond: half of a refresh."""
    encode = Backend.encode
    with patch.object(Backend, "encode", autospec=True, side_effect=encode) as signed:
        log_in()

    kinds = [call.args[0].token_type for call in signed.call_args_list]
    assert sorted(kinds) == ["access", "refresh"]


# --- How long Redis says `active` ----------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 100, 308, 309.5, 400])
@pytest.mark.parametrize("refill", [False, True])
def test_active_never_outlives_its_token(session, users, verified, seconds, refill):
    """A process was paused for so long: by then the revocation may be forgotten."""
    token = AccessToken.issue(session, users.user, int(time.time() - seconds))
    forget(session)

    if refill:
        verified(token.text)
    else:
        services.mark_active(token)

    left = session_state.connection().pttl(session_state.key(session.id)) / 1000
    end = token["exp"] + 10 - time.time()
    assert left <= max(end, 0) + 0.05  # for what has passed since it was read
    if seconds <= 100:
        assert end - 1.5 <= left


@pytest.mark.parametrize("act", ["login", "refresh"])
def test_the_life_of_a_token_begins_before_the_user_is_asked_for(
    session, users, monkeypatch, act
):
    """Or a slow User Service would let `active` outlive what was revoked meanwhile."""
    clock = SimpleNamespace(late=0, monotonic=time.monotonic)
    clock.time = lambda: time.time() + clock.late
    for module in ("services", "logins", "jwt_tokens", "views.public", "cookies"):
        monkeypatch.setattr(f"tokens.{module}.time", clock)
    monkeypatch.setattr(users, "answer", lambda: setattr(clock, "late", 100))
    before = int(time.time())

    answer = log_in() if act == "login" else refresh(refresh_token(session))

    claims = claims_of(answer)
    assert before <= claims["iat"] == claims["exp"] - 300 <= time.time()
    assert session_state.connection().ttl(session_state.key(claims["sid"])) <= 210
