"""Refresh: every answer of it, in the order in which the questions are asked."""

import time
import uuid
from datetime import timedelta

import pytest

from shared.api.exceptions import TokenRevoked
from shared.auth import session_state
from shared.keys import keyring
from shared.keys.keyring import FolderKeys
from tests.conftest import (
    access_token,
    age,
    cookie_of,
    database_away,
    log_out,
    outcome,
    redis_away,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens.jwt_tokens import RefreshToken
from tokens.models import Session

pytestmark = pytest.mark.django_db

LEEWAY = 10  # seconds, as tests/conftest.py sets it


@pytest.fixture
def rotated(make_session):
    """A session that was refreshed two seconds ago, and an ancestor's jti."""
    return make_session(rotated=True)


def test_refresh_rotates_the_refresh_token(session, verified):
    answer = refresh(refresh_token(session))

    assert answer.status_code == 200, answer.content
    assert set(answer.data) == {"access_token", "token_type", "expires_in"}
    assert answer.data["token_type"] == "bearer"
    assert 298 <= answer.data["expires_in"] <= 300
    before, after = session.jti, Session.objects.get()
    assert after.previous_jti == before != after.jti
    assert cookie_of(answer) == refresh_token(after)
    assert verified(answer.data["access_token"]).status_code == 200


def test_the_answers_claims_are_the_users_of_now(session, users, verified):
    users.user["roles"] = ["owner"]

    answer = refresh(refresh_token(session))

    assert verified(answer.data["access_token"]).data["roles"] == ["owner"]


def test_the_current_token_within_the_leeway_stays_the_current_one(rotated):
    answer = refresh(refresh_token(rotated))

    assert answer.status_code == 200
    assert cookie_of(answer) is None
    assert Session.objects.get().jti == rotated.jti


def test_the_direct_predecessor_gets_the_very_token_that_replaced_it(session):
    predecessor = refresh_token(session)
    successor = cookie_of(refresh(predecessor))

    again = refresh(predecessor)

    assert again.status_code == 200
    assert cookie_of(again) == successor
    assert refresh(successor).status_code == 200


@pytest.mark.parametrize(
    ("seconds", "jti"),
    [
        pytest.param(LEEWAY + 1, "previous", id="predecessor-after-the-leeway"),
        pytest.param(0, "ancestor", id="older-ancestor-within-the-leeway"),
        pytest.param(LEEWAY + 1, "ancestor", id="older-ancestor-after-the-leeway"),
    ],
)
def test_reuse_revokes_the_session(rotated, verified, users, seconds, jti):
    """TOK-07, TOK-08: the revocation survives the 401."""
    age(rotated, seconds)
    stolen = rotated.previous_jti if jti == "previous" else uuid.uuid4()
    access = access_token(rotated, users)

    answer = refresh(refresh_token(rotated, stolen))

    assert outcome(answer) == (401, "refresh_token_reused")
    assert cookie_of(answer) == ""
    rotated.refresh_from_db()
    assert (rotated.revoked_at is not None, rotated.revoked_reason) == (True, "reuse")
    assert state_in_redis(rotated) == b"revoked:reuse"
    assert outcome(verified(access)) == (401, "token_revoked")
    assert outcome(refresh(refresh_token(rotated))) == (401, "token_revoked")


def test_a_leeway_of_nothing_makes_every_second_use_a_reuse(session, settings):
    settings.REFRESH_REUSE_LEEWAY = 0
    first = refresh_token(session)

    second = cookie_of(refresh(first))
    third = cookie_of(refresh(second))

    assert len({first, second, third}) == 3
    assert outcome(refresh(second)) == (401, "refresh_token_reused")


def test_the_order_of_arrival_is_kept_while_the_user_is_asked_for(
    rotated, users, monkeypatch
):
    """The same through the view: `arrived` is the request's, not the decision's."""
    age(rotated, LEEWAY - 4)

    def slow(user_id):
        age(rotated, 5)
        monkeypatch.setattr(time, "monotonic", lambda: clock() + 5)
        return users.user

    clock = time.monotonic
    monkeypatch.setattr(users, "get", slow)

    answer = refresh(refresh_token(rotated, rotated.previous_jti))

    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize(
    ("traits", "code"),
    [
        pytest.param({"revoked": True}, "token_revoked", id="revoked"),
        pytest.param({"expired": True}, "token_expired", id="row-expired"),
        pytest.param(
            {"revoked": True, "expired": True}, "token_revoked", id="revoked-first"
        ),
    ],
)
@pytest.mark.parametrize("jti", ["current", "ancestor"])
def test_a_session_that_is_over_is_not_a_reuse(make_session, traits, code, jti):
    over = make_session(**traits)

    answer = refresh(refresh_token(over, uuid.uuid4() if jti == "ancestor" else None))

    assert outcome(answer) == (401, code)
    assert cookie_of(answer) == ""
    before, after = over.revoked_reason, Session.objects.get().revoked_reason
    assert after == before != "reuse"


def test_a_token_past_its_own_expiry_is_refused(session):
    age(session, 31 * 24 * 3600)

    answer = refresh(refresh_token(session))

    assert outcome(answer) == (401, "token_expired")
    assert cookie_of(answer) == ""


def test_expired_is_said_before_the_epoch_is_looked_at(make_session, users):
    users.user["session_epoch"] = 1
    expired = make_session(expired=True)

    assert outcome(refresh(refresh_token(expired))) == (401, "token_expired")
    assert Session.objects.get().revoked_at is None


@pytest.mark.parametrize("rotated_before", [False, True], ids=["new", "in-leeway"])
@pytest.mark.parametrize("jti", ["current", "previous", "ancestor"])
def test_a_session_of_an_older_epoch_dies(make_session, users, rotated_before, jti):
    """A lost push heals itself; it is no reuse, whichever token it was."""
    old = make_session(rotated=rotated_before)
    users.user["session_epoch"] = 1
    presented = {"current": old.jti, "previous": old.previous_jti}.get(jti)

    answer = refresh(refresh_token(old, presented or uuid.uuid4()))

    assert outcome(answer) == (401, "token_revoked")
    assert cookie_of(answer) == ""
    assert Session.objects.get().revoked_reason == "epoch"
    assert state_in_redis(old) == b"revoked:epoch"


def test_a_session_without_a_row_is_a_revoked_one(session):
    """A purged row: never a reuse, and Redis is told."""
    token = refresh_token(session)
    Session.objects.all().delete()

    answer = refresh(token)

    assert outcome(answer) == (401, "token_revoked")
    assert cookie_of(answer) == ""
    assert state_in_redis(session) == b"revoked:unknown"


def test_a_user_who_is_gone_ends_the_session(session, users):
    """TOK-14: deleted, inactive and unknown look alike."""
    users.gone = True

    answer = refresh(refresh_token(session))

    assert outcome(answer) == (401, "token_revoked")
    assert cookie_of(answer) == ""
    assert Session.objects.get().revoked_reason == "user_gone"
    users.gone = False
    assert outcome(refresh(refresh_token(session))) == (401, "token_revoked")


def test_no_answer_about_the_user_changes_nothing(session, users):
    token = refresh_token(session)
    before = Session.objects.values().get()
    users.down = True

    answer = refresh(token)

    assert outcome(answer) == (503, "dependency_unavailable")
    assert answer["Retry-After"] == "1"
    assert cookie_of(answer) is None
    assert Session.objects.values().get() == before
    users.down = False
    assert refresh(token).status_code == 200


def test_what_redis_knows_is_refused_before_anybody_is_asked(
    session, users, django_assert_num_queries
):
    session_state.mark_revoked([session_state.Revocation(session.id, "test", 60)])

    with django_assert_num_queries(0):
        answer = refresh(refresh_token(session))

    assert outcome(answer) == (401, "token_revoked")
    assert users.calls == 0


def test_a_reuse_that_redis_did_not_hear_of_is_refused_all_the_same(rotated):
    with redis_away():
        refresh(refresh_token(rotated, uuid.uuid4()))

    assert outcome(refresh(refresh_token(rotated))) == (401, "token_revoked")
    assert state_in_redis(rotated) == b"revoked:reuse"


@pytest.mark.django_db(transaction=True)
def test_no_database_is_503_and_the_cookie_stays(session):
    with database_away():
        answer = refresh(refresh_token(session))

    assert outcome(answer) == (503, "dependency_unavailable")
    assert answer["Retry-After"] == "1"
    assert cookie_of(answer) is None
    assert state_in_redis(session) is None
    assert refresh(refresh_token(session)).status_code == 200


def test_no_token_outlives_the_session(make_session):
    """TOK-05: rotation never moves the absolute end."""
    end = timedelta(seconds=100)
    nearly = make_session()
    clock = Session.objects.with_clock().get().clock
    Session.objects.update(absolute_expires_at=clock + end)

    answer = refresh(refresh_token(nearly))

    after = Session.objects.get()
    assert after.expires_at == after.absolute_expires_at == clock + end
    token = RefreshToken.parse(cookie_of(answer))
    assert token["exp"] == int((clock + end).timestamp())
    assert 95 <= answer.data["expires_in"] <= 100
    assert 95 <= answer.cookies["refresh_token"]["max-age"] <= 100


def test_the_idle_end_moves_with_each_refresh(make_session, settings):
    settings.REFRESH_TOKEN_LIFETIME = 600
    idle = make_session()

    refresh(refresh_token(idle))

    after = Session.objects.get()
    lasts = after.expires_at - after.rotated_at
    assert abs(lasts - timedelta(seconds=600)) < timedelta(seconds=1)
    assert after.absolute_expires_at == idle.absolute_expires_at


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("x", id="garbage"),
        pytest.param("a.b.c", id="three-parts"),
        pytest.param("é" * 50, id="not-ascii"),
        pytest.param("." * 4000, id="dots"),
    ],
)
def test_garbage_is_refused_and_cleared(cookie, users):
    answer = refresh(cookie)

    assert outcome(answer) == (401, "token_invalid")
    assert cookie_of(answer) == ""
    assert users.calls == 0


def test_no_cookie_is_told_from_a_bad_one(users):
    answer = refresh(None)

    assert outcome(answer) == (401, "token_missing")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert cookie_of(answer) is None


def test_a_token_of_a_clock_that_runs_ahead_may_be_tried_again(session):
    """The database's clock gives its times; ours may be behind."""
    age(session, -120)

    answer = refresh(refresh_token(session))

    assert outcome(answer) == (401, "token_not_yet_valid")
    assert cookie_of(answer) is None


@pytest.mark.parametrize("act", [refresh, log_out])
def test_missing_keys_are_our_trouble_and_the_cookie_stays(
    session, act, tmp_path, monkeypatch
):
    """Not a 401: it would log everybody out who came to this worker."""
    token = refresh_token(session)
    monkeypatch.setattr(keyring, "verifying_keys", lambda: FolderKeys(tmp_path))

    answer = act(token)

    assert outcome(answer) == (503, "dependency_unavailable")
    assert cookie_of(answer) is None


def test_without_a_key_to_sign_with_nothing_is_rotated(session, lose_signer):
    """Or the client, who got no answer, would come back with a superseded token."""
    token, before = refresh_token(session), session.jti
    lose_signer()

    assert outcome(refresh(token)) == (503, "dependency_unavailable")
    session.refresh_from_db()
    assert (session.jti, session.rotated_at) == (before, None)


def test_an_access_token_is_no_refresh_token(session, users):
    """TOK-03."""
    assert outcome(refresh(access_token(session, users))) == (401, "token_invalid")


def test_a_bearer_header_is_no_refresh_cookie(session):
    """COOK-07."""
    bearer = {"Authorization": f"Bearer {refresh_token(session)}"}

    assert outcome(refresh(None, **bearer)) == (401, "token_missing")


def test_blacklist_and_check_blacklist_keep_simplejwts_meaning(session):
    token = RefreshToken.parse(refresh_token(session))
    token.check_blacklist()

    token.blacklist()

    with pytest.raises(TokenRevoked):
        token.check_blacklist()
    assert Session.objects.get().revoked_reason == "blacklisted"
