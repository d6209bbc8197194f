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
        user_ids = [users.user["id"]]
        body = {"user_ids": user_ids, "epoch": new_epoch, "reason": "password"}
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
    "of-64-bits": ({"user_epoch": 2**62}, 2**62 + 2, None, 1, 2**62),
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
    "user_ids": [
        *([], ["ada"], "x", None, {}, [None], [2**200], ["\ud800"]),
        [str(uuid.uuid4())] * 5001,
    ],
    "epoch": [-1, 2**63, "x", 1.5, 1e308, True, None, nested(90)],
    "reason": ["", "a b", "a" * 33, "a" * 32 + "\n", 5],
    "keep_sid": ["x", None],
    "keep_from": [-1],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_400_and_names_the_field(session, push, sender, name):
    for value in BAD[name]:
        answer = push(1, **{name: value})

        assert answer.status_code == 400, answer.content
        if value != ["\ud800"]:
            assert {each.split(".")[0] for each in answer.json()["errors"]} == {name}
    assert set(sender.post(URL, {}).json()["errors"]) == {"user_ids", "epoch", "reason"}
    assert Session.objects.get().revoked_at is None


def test_sessions_of_many_users_of_one_epoch_end(
    make_session, sender, audited, django_assert_max_num_queries
):
    """5,000 users in one request of two statements, and as often as it is sent. Only
    users who had a session are in the audit log."""
    live, newer = (
        make_session(user_epoch=6),
        make_session(user_id=uuid.uuid4(), user_epoch=7),
    )
    ids = [str(live.user_id), str(newer.user_id)]
    ids += [str(uuid.uuid4()) for _ in range(4998)]
    body = {"user_ids": ids, "epoch": 7, "reason": "user_deactivated"}

    with django_assert_max_num_queries(2):
        assert sender.post(URL, body).json() == {"revoked": 1}

    assert sender.post(URL, body).json() == {"revoked": 0}
    assert sender.post(URL, body | {"epoch": 5}).json() == {"revoked": 0}
    assert {*UserEpoch.objects.values_list("epoch", flat=True)} == {7}
    assert UserEpoch.objects.count() == 5000
    assert state_in_redis(live) == b"revoked:user_deactivated"
    assert Session.objects.get(id=newer.id).revoked_at is None
    lines = [(e.event, e.user_id, e.sessions) for e in audited()]
    assert lines == [("authn_token_revoked", live.user_id, 1)]


def test_a_push_of_many_has_a_limit_of_its_own(sender):
    text = json.dumps({"user_ids": ["x" * 2**18], "epoch": 9, "reason": "restored"})
    answer = sender.post(URL, text, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
