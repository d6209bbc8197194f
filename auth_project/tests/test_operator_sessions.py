"""A user's sessions for operators: the admin of the User Service asks for them."""

import uuid

import pytest
from rest_framework.test import APIClient

from tests.conftest import (
    access_token,
    age,
    database_away,
    outcome,
    redis_away,
    refresh,
    refresh_token,
    signed_in,
    state_in_redis,
)
from tokens.models import Session

pytestmark = pytest.mark.django_db

SHOWN = {"id", "created_at", "last_used_at", "expires_at", "ip", "device"}


def listing(user_id):
    return f"/api/v1/auth/users/{user_id}/sessions"


def ending(user_id, sid):
    return f"{listing(user_id)}/{sid}/revoke"


@pytest.fixture
def admin(service_client):
    """The User Service, which knows who its operators are."""
    return service_client("users")


def test_the_live_sessions_of_a_user_the_last_used_first(make_session, users, admin):
    old, new = make_session(ip="2001:db8:1:2::3"), make_session()
    age(old, 60)
    make_session(revoked=True)
    make_session(expired=True)
    make_session(user_id=uuid.uuid4())

    answer = admin.get(listing(users.user["id"]))

    assert answer.status_code == 200
    shown = answer.json()["sessions"]
    assert [each["id"] for each in shown] == [str(new.id), str(old.id)]
    assert all(each.keys() == SHOWN for each in shown)
    assert [each["ip"] for each in shown] == ["192.0.2.0/24", "2001:db8:1::/48"]


def test_who_was_never_logged_in_has_none(admin):
    assert admin.get(listing(uuid.uuid4())).json() == {"sessions": []}


def test_a_session_ends_at_once_and_once(make_session, users, admin, verified):
    phone, laptop = make_session(), make_session()
    token = access_token(phone, users)
    assert verified(token).status_code == 200

    answer = admin.post(ending(users.user["id"], phone.id))

    assert (answer.status_code, answer.json()) == (200, {"revoked": 1})
    assert outcome(verified(token)) == (401, "token_revoked")
    assert outcome(refresh(refresh_token(phone))) == (401, "token_revoked")
    assert state_in_redis(phone) == b"revoked:operator"
    phone.refresh_from_db()
    assert phone.revoked_reason == "operator"
    assert refresh(refresh_token(laptop)).status_code == 200
    assert admin.post(ending(users.user["id"], phone.id)).json() == {"revoked": 0}


def test_the_session_of_another_user_goes_on(make_session, users, admin):
    others = make_session(user_id=uuid.uuid4())

    for sid in (others.id, uuid.uuid4()):
        assert admin.post(ending(users.user["id"], sid)).json() == {"revoked": 0}

    others.refresh_from_db()
    assert others.revoked_at is None


def test_the_end_of_a_session_is_audited(session, admin, caplog):
    with caplog.at_level("INFO", logger="memo.audit"):
        admin.post(ending(session.user_id, session.id))

    (record,) = [each for each in caplog.records if each.name == "memo.audit"]
    assert record.event == "authn_token_revoked"
    assert (record.sid, record.reason) == (session.id, "operator")


@pytest.mark.parametrize("who", ["another service", "nobody", "the person"])
def test_nobody_else_may(session, users, service_client, who):
    client = {
        "another service": lambda: service_client("reports"),
        "nobody": APIClient,
        "the person": lambda: signed_in(session, users),
    }[who]()
    refusal = (
        (403, "forbidden") if who == "another service" else (401, "service_auth_failed")
    )

    assert outcome(client.get(listing(session.user_id))) == refusal
    assert outcome(client.post(ending(session.user_id, session.id))) == refusal
    assert Session.objects.get().revoked_at is None


def test_it_works_without_redis(session, admin):
    with redis_away():
        assert len(admin.get(listing(session.user_id)).json()["sessions"]) == 1
        answer = admin.post(ending(session.user_id, session.id))

    assert answer.json() == {"revoked": 1}


@pytest.mark.django_db(transaction=True)
def test_without_the_database_it_is_503(session, admin):
    with database_away():
        for answer in (
            admin.get(listing(session.user_id)),
            admin.post(ending(session.user_id, session.id)),
        ):
            assert outcome(answer) == (503, "dependency_unavailable")

    assert Session.objects.get().revoked_at is None
