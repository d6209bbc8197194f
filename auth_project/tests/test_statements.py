"""What single statements say; all of them together are under test in tests/model."""

import uuid

import pytest

from tests.factories import SessionFactory
from tokens.models import Session, SessionEpoch

pytestmark = pytest.mark.django_db


def test_an_unknown_session_is_neither_rotated_nor_revoked():
    assert Session.objects.rotate(uuid.uuid4(), uuid.uuid4(), SessionEpoch(0)) is None
    assert Session.objects.revoke(uuid.uuid4(), "logout") is None
    assert Session.objects.revoke_below({uuid.uuid4(): 9}, "x") == []


def test_the_first_revocations_time_and_reason_stay():
    session = SessionFactory(revoked=True)

    again = Session.objects.revoke(session.id, "reuse")

    assert (again.revoked_at, again.revoked_reason) == (session.revoked_at, "logout")


def test_the_session_that_is_kept_is_not_among_the_ended():
    user_id = uuid.uuid4()
    kept, *ended = [SessionFactory(user_id=user_id) for _ in range(3)]

    found = Session.objects.revoke_below({user_id: 1}, "password", kept.id, 0)

    assert {each.id for each in found} == {each.id for each in ended}
    assert {each.revoked_reason for each in found} == {"password"}
