"""Pushes: the User Service has raised the epochs of users."""

import json
import uuid

import pytest

from shared.tests.mutated_text import nested
from tests.conftest import state_in_redis
from tokens.models import Session, UserEpoch

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/sessions/revoke"


@pytest.fixture
def sender(service_client):
    return service_client("users")


@pytest.fixture
def push(sender, users):
    """What the User Service sends after a password change, say."""

    def send(new_epoch, **fields):
        body = {"user_id": users.user["id"], "epoch": new_epoch, "reason": "password"}
        # Encoded here: DRF's client cannot send half a character.
        text = json.dumps(body | fields)
        return sender.post(URL, text, content_type="application/json")

    return send


# The session, the epoch that is pushed, and from which it is to be kept (None: it is
# not named); then whether it ends, and its epoch.
PUSHES = {
    "of-the-epoch": ({"user_epoch": 2}, 2, None, 0, 2),
    "above": ({"user_epoch": 3}, 2, None, 0, 3),
    "kept": ({}, 1, {"keep_from": 0}, 0, 1),
    # It was below an epoch whose push was lost, and now asks to be kept.
    "ended-before": ({"user_epoch": 3}, 9, {"keep_from": 4}, 1, 3),
    "kept-from-nothing": ({}, 1, {}, 1, 0),
    "never-lowered": ({"user_epoch": 5}, 2, {"keep_from": 0}, 0, 5),
    "revoked": ({"revoked": True}, 1, {"keep_from": 0}, 0, 0),
    "of-another-user": ({"user_id": uuid.UUID(int=7)}, 9, {"keep_from": 0}, 0, 0),
}


@pytest.mark.parametrize(
    ("fields", "epoch", "keep", "revoked", "after"), PUSHES.values(), ids=PUSHES
)
def test_what_a_push_does_to_a_session(
    make_session, push, fields, epoch, keep, revoked, after
):
    session = make_session(**fields)
    kept = {} if keep is None else {"keep_sid": str(session.id), **keep}

    assert push(epoch, **kept).json() == {"revoked": revoked}

    row = Session.objects.get()
    assert (row.user_epoch, row.revoked_reason == "password") == (after, bool(revoked))
    if not revoked:
        assert row.revoked_at == session.revoked_at


BAD = {
    "user_id": ["ada", None, [], 2**200, "\ud800"],
    "epoch": [-1, 2**63, "x", 1.5, 1e308, True, nested(790)],
    "reason": ["", "a b", "a" * 33, "a" * 32 + "\n", 5],
    "keep_sid": ["x", None],
    "keep_from": [-1],
    "users": [[], [{}], {}],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_400_and_names_the_field(session, push, sender, name):
    for value in BAD[name]:
        answer = push(1, **{name: value})

        assert answer.status_code == 400, answer.content
        if "\ud800" not in str(value):
            assert {each.split(".")[0] for each in answer.json()["errors"]} == {name}
    assert set(sender.post(URL, {}).json()["errors"]) == {"user_id", "epoch", "reason"}
    assert Session.objects.get().revoked_at is None


def test_sessions_of_several_users_end(make_session, sender):
    """Epochs have 64 bits; of a user who is named twice the highest counts."""
    high = 2**62
    users = [uuid.uuid4() for _ in range(3)]
    rows = [make_session(user_id=each, user_epoch=high) for each in users]
    pushed = [(users[0], high + 2), (users[0], high - 1), (users[1], high)]
    body = {"users": [{"user_id": str(u), "epoch": e} for u, e in pushed]}

    answer = sender.post(URL, body | {"reason": "restored"})

    assert answer.json() == {"revoked": 1}
    reasons = [Session.objects.get(id=row.id).revoked_reason for row in rows]
    assert reasons == ["restored", "", ""]
    floors = dict(UserEpoch.objects.values_list("user_id", "epoch"))
    assert floors == {users[0]: high + 2, users[1]: high}
    assert state_in_redis(rows[0]) == b"revoked:restored"


@pytest.mark.parametrize(("count", "status"), [(500, 200), (501, 400)])
def test_up_to_five_hundred_users(sender, django_assert_max_num_queries, count, status):
    epochs = [{"user_id": str(uuid.uuid4()), "epoch": 1} for _ in range(count)]

    with django_assert_max_num_queries(2):
        answer = sender.post(URL, {"users": epochs, "reason": "restored"})

    assert answer.status_code == status
