"""Reaching for what is somebody else's, or for more than one has (REG-04, S2S-03)."""

import re
import uuid
from typing import Any

import pytest

from deploy.tests.attack.account import LOGIN, ME, SESSIONS, Account
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import problem_of, refused
from nginx.tests.gateway_rig import Answer

WISHES: dict[str, Any] = {
    "id": str(uuid.uuid4()), "pk": 1, "is_staff": True, "is_superuser": True,
    "is_active": False, "is_deleted": True, "deleted_at": "2020-01-01T00:00:00Z",
    "roles": ["admin"], "groups": [1], "user_permissions": [1], "email_verified": True,
    "date_joined": "2000-01-01T00:00:00Z", "created_at": "2000-01-01T00:00:00Z",
    "session_epoch": 99, "password_hash": "x", "email_canonical": "x",
    "username_canonical": "x", "last_login": None, "sub": str(uuid.uuid4()),
}  # fmt: skip


def is_let_into_the_admin(target: Target, account: Account) -> bool:
    """As a browser does it: the form, its token, and then a redirect or the form."""
    form = target.ask("GET", "/admin/login/")
    cookie = form.one("Set-Cookie").partition(";")[0]
    (token,) = re.findall(r'csrfmiddlewaretoken" value="([^"]+)', form.body.decode())
    fields = {"username": account.email, "password": account.password}
    body = "&".join(f"{name}={text}" for name, text in fields.items())
    headers = {
        "Cookie": cookie,
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": target.origin,
        "Referer": f"{target.origin}/admin/login/",
    }
    text = f"csrfmiddlewaretoken={token}&{body}".encode()
    answer = target.ask("POST", "/admin/login/?next=/admin/", headers, text)
    assert answer.status in (200, 302), answer.body
    return answer.status == 302


def check_powerless(target: Target, account: Account) -> None:
    found = account.me()
    assert found["username"] == account.name
    assert (found["roles"], found["is_active"]) == ([], True)
    assert (found["is_deleted"], found["deleted_at"]) == (False, None)
    assert found["id"] != WISHES["id"]
    assert not found["created_at"].startswith("2000")
    assert not is_let_into_the_admin(target, account)


def test_nobody_registers_as_more_than_a_person(target: Target) -> None:
    account = Account(target)
    answer = account.register(**WISHES)
    assert answer.status == 201, answer.body
    account.log_in()
    check_powerless(target, account)
    assert account.sessions(), "an epoch of one's own would have ended it"


def test_nobody_makes_more_of_themselves(target: Target, somebody: Account) -> None:
    wishes = {**WISHES, "username": "x", "email": "x@example.org", "password": "x" * 12}
    answer = target.ask("PATCH", ME, somebody.bearer, value=wishes)
    assert answer.status in (200, 400)
    check_powerless(target, somebody)
    assert somebody.me()["email"] == somebody.email
    somebody.log_in()


def test_a_log_in_cannot_be_talked_into_more(target: Target, mallory: Account) -> None:
    value = {"email": mallory.email, "password": mallory.password, **WISHES}
    answer = target.ask("POST", LOGIN, value=value)
    assert answer.status == 200
    header = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert target.ask("GET", ME, header).json()["roles"] == []


# ---- Somebody else's (IDOR) ----------------------------------------------------------


def the_session_of(account: Account) -> str:
    (current,) = (each["id"] for each in account.sessions() if each["current"])
    found: str = current
    return found


def without_id(answer: Answer) -> dict[str, Any]:
    return {**answer.json(), "request_id": ""}


def test_a_strangers_session_is_like_one_that_never_was(
    target: Target, mallory: Account, victim: Account
) -> None:
    sid = the_session_of(victim)
    path = f"{SESSIONS}/{sid}"
    theirs = target.ask("DELETE", path, mallory.bearer)
    nobodys = target.ask("DELETE", f"{SESSIONS}/{uuid.uuid4()}", mallory.bearer)
    refused(theirs, 404, "not_found")
    assert without_id(theirs) == without_id(nobodys)
    assert the_session_of(victim) == sid
    assert sid not in {each["id"] for each in mallory.sessions()}


@pytest.mark.parametrize(
    "spell",
    ["{upper}", "{{{sid}}}", "urn:uuid:{sid}", "{hex}", "{sid}/", "{sid};x", "{sid}%00",
     "{sid}/../{own}", "{own}/../{sid}", "{sid}?user_id={victim}", "{own},{sid}"],
)  # fmt: skip
def test_no_spelling_of_an_id_is_a_strangers_session(
    target: Target, mallory: Account, victim: Account, spell: str
) -> None:
    sid = the_session_of(victim)
    text = spell.format(
        sid=sid,
        own=uuid.uuid4(),
        upper=sid.upper(),
        hex=sid.replace("-", ""),
        victim=victim.me()["id"],
    )
    answer = target.ask("DELETE", f"{SESSIONS}/{text}", mallory.bearer)
    assert answer.status in (400, 404), answer.body
    problem_of(answer)
    assert the_session_of(victim) == sid


@pytest.mark.parametrize("query", ["user_id={id}", "sub={id}", "id={id}", "user={id}"])
def test_what_is_listed_is_ones_own(
    target: Target, mallory: Account, victim: Account, query: str
) -> None:
    asked = query.format(id=victim.me()["id"])
    for path in (SESSIONS, ME):
        answer = target.ask("GET", f"{path}?{asked}", mallory.bearer)
        assert answer.status == 200
        assert victim.email.encode() not in answer.body
        assert the_session_of(victim).encode() not in answer.body


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE", "POST"])
def test_a_stranger_is_reached_by_no_id(
    target: Target, mallory: Account, victim: Account, method: str
) -> None:
    own, other = mallory.me()["id"], victim.me()["id"]
    for identity in (own, other, str(uuid.uuid4()), "1", "me/../" + other):
        path = f"/api/v1/users/{identity}"
        answer = target.ask(method, path, mallory.bearer, value={"first_name": "x"})
        refused(answer, 404, "not_found")


def test_a_change_names_nobody_else(
    target: Target, mallory: Account, victim: Account
) -> None:
    before = victim.me()
    names = {"id": before["id"], "user_id": before["id"], "email": victim.email}
    target.ask("PATCH", ME, mallory.bearer, value={**names, "first_name": "Mallory"})
    passwords = {"current_password": victim.password, "new_password": "y" * 20}
    path, value = f"{ME}/change_password", {**names, **passwords}
    answer = target.ask("POST", path, mallory.bearer, value=value)
    refused(answer, 400, "validation_error")
    everywhere = {"keep_current": True, "user_id": before["id"]}
    path = "/api/v1/auth/logout_all"
    assert target.ask("POST", path, mallory.bearer, value=everywhere).status == 200
    assert victim.me() == before
    victim.log_in()
