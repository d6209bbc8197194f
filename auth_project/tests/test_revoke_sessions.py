"""sessions/revoke: the User Service says that a user's epoch was raised."""

import json
import uuid

import pytest

from tests.conftest import (
    access_token,
    database_away,
    outcome,
    redis_away,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens.models import Session, UserEpoch

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/sessions/revoke"


@pytest.fixture
def push(service_client, users):
    """What the User Service sends after a password change, say."""

    def send(new_epoch, caller="users", **fields):
        body = {"user_id": users.user["id"], "epoch": new_epoch, "reason": "password"}
        # Encoded here: DRF's client cannot send half a character.
        return service_client(caller).post(
            URL, json.dumps(body | fields), content_type="application/json"
        )

    return send


def test_sessions_below_the_epoch_end(make_session, push, users, verified):
    tablet, phone = make_session(), make_session(user_epoch=1)
    token = access_token(tablet, users)

    answer = push(2)

    assert (answer.status_code, answer.json()) == (200, {"revoked": 2})
    for session in (tablet, phone):
        session.refresh_from_db()
        assert session.revoked_reason == "password"
        assert state_in_redis(session) == b"revoked:password"
    assert outcome(verified(token)) == (401, "token_revoked")
    assert outcome(refresh(refresh_token(tablet))) == (401, "token_revoked")


@pytest.mark.parametrize("epoch", [2, 3], ids=["of-the-epoch", "above"])
def test_sessions_of_the_epoch_or_above_live(make_session, push, users, epoch):
    """Opened with the new password while the push was under way."""
    newer = make_session(user_epoch=epoch)
    users.user["session_epoch"] = 2

    assert push(2).json() == {"revoked": 0}
    assert refresh(refresh_token(newer)).status_code == 200


def test_the_session_to_keep_is_lifted(make_session, push, users):
    here, there = make_session(), make_session()
    users.user["session_epoch"] = 1

    answer = push(1, keep_sid=str(here.id), keep_from=0)

    assert answer.json() == {"revoked": 1}
    here.refresh_from_db()
    assert (here.user_epoch, here.revoked_at) == (1, None)
    assert refresh(refresh_token(here)).status_code == 200
    assert outcome(refresh(refresh_token(there))) == (401, "token_revoked")


def test_a_session_that_ended_before_is_not_revived(make_session, push):
    """It was below an epoch whose push was lost, and now asks to be kept."""
    over = make_session(user_epoch=3)

    assert push(9, keep_sid=str(over.id), keep_from=4).json() == {"revoked": 1}


def test_without_the_epoch_to_keep_from_nothing_is_kept(session, push):
    assert push(1, keep_sid=str(session.id)).json() == {"revoked": 1}


def test_a_kept_session_is_never_lowered(make_session, push):
    newer = make_session(user_epoch=5)

    push(2, keep_sid=str(newer.id), keep_from=0)

    assert Session.objects.get().user_epoch == 5


def test_a_revoked_session_is_not_kept_alive(make_session, push):
    over = make_session(revoked=True)

    push(1, keep_sid=str(over.id), keep_from=0)

    assert Session.objects.get().revoked_reason == "logout"
    assert Session.objects.get().user_epoch == 0


def test_nobody_elses_session_is_touched(make_session, push):
    others = make_session(user_id=uuid.uuid4())

    assert push(9, keep_sid=str(others.id), keep_from=0).json() == {"revoked": 0}
    others.refresh_from_db()
    assert (others.revoked_at, others.user_epoch) == (None, 0)


def test_a_push_that_is_repeated_ends_nothing_more(session, push):
    assert push(1).json() == {"revoked": 1}
    ended = Session.objects.values().get()

    assert push(1, reason="again").json() == {"revoked": 0}
    assert Session.objects.values().get() == ended


def test_pushes_may_overtake_each_other(make_session, push, users):
    """The later epoch counts, whichever push comes first."""
    kept_by_first = make_session()
    users.user["session_epoch"] = 2

    push(2)
    push(1, keep_sid=str(kept_by_first.id), keep_from=0)

    assert outcome(refresh(refresh_token(kept_by_first))) == (401, "token_revoked")


def test_a_push_works_without_redis(session, push):
    with redis_away():
        assert push(1).json() == {"revoked": 1}

    assert outcome(refresh(refresh_token(session))) == (401, "token_revoked")


@pytest.mark.django_db(transaction=True)
def test_a_push_without_the_database_is_503(session, push):
    with database_away():
        assert outcome(push(1)) == (503, "dependency_unavailable")

    assert state_in_redis(session) is None
    assert push(1).json() == {"revoked": 1}


def test_no_other_service_may_push(session, push):
    """A known caller, and not allowed: 403, where no key at all is 401."""
    answer = push(1, caller="reports")

    assert outcome(answer) == (403, "forbidden")
    assert "WWW-Authenticate" not in answer
    assert Session.objects.get().revoked_at is None


@pytest.mark.parametrize("key", [None, "wrong"])
def test_nobody_pushes_without_a_key(api_client, session, key):
    headers = {"X-Internal-Api-Key": key} if key else {}

    answer = api_client.post(URL, {}, "json", headers=headers)

    assert outcome(answer) == (401, "service_auth_failed")
    assert answer["WWW-Authenticate"] == 'ApiKey realm="internal"'


def test_two_keys_of_one_caller_are_good_at_once(session, push, settings):
    """S2S-01: so keys can be rotated."""
    (name, key), *_ = settings.INTERNAL_API_KEYS
    settings.INTERNAL_API_KEYS = [(name, "next" * 12), (name, key)]

    assert push(1).status_code == 200
    settings.INTERNAL_API_KEYS = [(name, key), (name, "next" * 12)]
    assert push(1).status_code == 200


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        pytest.param({"user_id": "ada"}, "user_id", id="user-no-uuid"),
        pytest.param({"user_id": None}, "user_id", id="user-null"),
        pytest.param({"user_id": []}, "user_id", id="user-list"),
        pytest.param({"user_id": 2**200}, "user_id", id="user-huge-number"),
        pytest.param({"user_id": -1}, "user_id", id="user-negative"),
        pytest.param({"user_id": "\ud800"}, None, id="user-surrogate"),
        pytest.param({"epoch": -1}, "epoch", id="epoch-negative"),
        pytest.param({"epoch": 2**63}, "epoch", id="epoch-too-large"),
        pytest.param({"epoch": "x"}, "epoch", id="epoch-no-number"),
        pytest.param({"epoch": 1.5}, "epoch", id="epoch-fraction"),
        pytest.param({"epoch": 1e300}, "epoch", id="epoch-float"),
        pytest.param({"epoch": True}, "epoch", id="epoch-bool"),
        pytest.param({"reason": ""}, "reason", id="reason-blank"),
        pytest.param({"reason": "a b"}, "reason", id="reason-space"),
        pytest.param({"reason": "a" * 33}, "reason", id="reason-long"),
        pytest.param({"reason": "a" * 32 + "\n"}, "reason", id="reason-newline"),
        pytest.param({"reason": 5}, "reason", id="reason-number"),
        pytest.param({"keep_sid": "x"}, "keep_sid", id="keep-no-uuid"),
        pytest.param({"keep_sid": None}, "keep_sid", id="keep-null"),
        pytest.param({"keep_from": -1}, "keep_from", id="keep-from-negative"),
        pytest.param({"users": []}, None, id="users-none"),
        pytest.param({"users": [{}]}, None, id="users-empty"),
        pytest.param({"users": {}}, None, id="users-no-list"),
    ],
)
def test_bad_input_is_400_and_names_the_field(session, push, fields, wrong):
    answer = push(1, **fields)

    assert answer.status_code == 400, answer.content
    if wrong is not None:
        assert list(answer.json()["errors"]) == [wrong]
    assert Session.objects.get().revoked_at is None


def test_every_field_but_keep_sid_is_needed(service_client):
    answer = service_client("users").post(URL, {}, "json")

    assert set(answer.json()["errors"]) == {"user_id", "epoch", "reason"}


# --- Several users at once ----------------------------------------------------------


def test_sessions_of_several_users_end(make_session, service_client):
    """Epochs have 64 bits; of a user who is named twice the highest counts."""
    high = 2**62
    users = [uuid.uuid4() for _ in range(3)]
    rows = [make_session(user_id=each, user_epoch=high) for each in users]
    pushed = [(users[0], high + 2), (users[0], high - 1), (users[1], high)]
    body = {"users": [{"user_id": str(u), "epoch": e} for u, e in pushed]}

    answer = service_client("users").post(URL, body | {"reason": "restored"}, "json")

    assert answer.json() == {"revoked": 1}
    assert [Session.objects.get(id=row.id).revoked_reason for row in rows] == [
        "restored",
        "",
        "",
    ]
    assert dict(UserEpoch.objects.values_list("user_id", "epoch")) == {
        users[0]: high + 2,
        users[1]: high,
    }
    assert state_in_redis(rows[0]) == b"revoked:restored"


@pytest.mark.parametrize(("count", "status"), [(500, 200), (501, 400)])
def test_up_to_five_hundred_users(
    service_client, django_assert_max_num_queries, count, status
):
    epochs = [{"user_id": str(uuid.uuid4()), "epoch": 1} for _ in range(count)]

    with django_assert_max_num_queries(2):
        answer = service_client("users").post(
            URL, {"users": epochs, "reason": "restored"}, "json"
        )

    assert answer.status_code == status
