"""Reaching for what belongs to another user, or for more rights (REG-04, S2S-03)."""

import uuid
from typing import Any

from deploy.tests.attack.target import AttackUser
from deploy.tests.client import LOGIN, ME, refused, same_but_for_the_id

WISHES: dict[str, Any] = {
    "id": str(uuid.uuid4()), "pk": 1, "is_staff": True, "is_superuser": True,
    "is_active": False, "is_deleted": True, "deleted_at": "2020-01-01T00:00:00Z",
    "roles": ["admin"], "groups": [1], "user_permissions": [1], "email_verified": True,
    "date_joined": "2000-01-01T00:00:00Z", "created_at": "2000-01-01T00:00:00Z",
    "session_epoch": 99, "password_hash": "x", "email_canonical": "x",
    "username_canonical": "x", "last_login": None, "sub": str(uuid.uuid4()),
}  # fmt: skip


def check_powerless(user: AttackUser) -> None:
    found = user.profile()
    assert (found["username"], found["email"]) == (user.name, user.email)
    assert (found["roles"], found["is_active"]) == ([], True)
    assert (found["is_deleted"], found["deleted_at"]) == (False, None)
    assert found["id"] != WISHES["id"]
    assert not found["created_at"].startswith("2000")
    user.log_in()
    assert user.listed(), "an epoch of one's own would have ended it"


def test_a_registration_gives_no_more_than_a_user(target):
    user = AttackUser(target)
    refused(user.register(**WISHES), 400, "validation_error")
    assert user.register().status_code == 201
    body = {"email": user.email, "password": user.password, **WISHES}
    user.keep(target.ask("POST", LOGIN, json_body=body))
    check_powerless(user)


def test_a_change_gives_no_more_rights(user):
    wishes = {**WISHES, "username": "x", "email": "x@example.org", "password": "x" * 12}
    refused(user.call("PATCH", ME, json=wishes), 400, "validation_error")
    check_powerless(user)


# ---- What belongs to another user (IDOR) ---------------------------------------------


def test_a_strangers_session_is_like_one_that_never_was(mallory, victim):
    sid = victim.current_session()
    theirs, unknown = mallory.end_session(sid), mallory.end_session(str(uuid.uuid4()))
    refused(theirs, 404, "not_found")
    assert same_but_for_the_id(theirs, unknown)
    assert victim.current_session() == sid
    assert sid not in {each["id"] for each in mallory.listed()}
