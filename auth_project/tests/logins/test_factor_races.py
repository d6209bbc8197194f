"""Races of pending logins and of step-ups, on real PostgreSQL."""

from functools import partial

import pytest

from tests.conftest import cookie_of, log_in, outcome, post
from tests.factories import PendingLoginFactory
from tests.logins.test_passkeys import begin, signed
from tests.sessions.test_races import at_once, behind_a_lock, log_out_row, rotate
from tokens.models import Event, PendingLogin, Session

pytestmark = pytest.mark.django_db(transaction=True)


def all_at_once(path, bodies):
    return at_once(*[partial(post, path, data=body) for body in bodies])


@pytest.mark.parametrize("kind", ["one-code", "twenty-codes", "passkey"])
def test_of_twenty_uses_of_a_pending_login_one_opens_a_session(
    users, trusted_kid, kind
):
    """LVL-04, PK-07."""
    users.methods = ["totp"]
    users.codes = {str(number) for number in range(100_000, 100_020)}
    if kind == "passkey":
        refused = {"invalid_credentials"}
        answers = all_at_once("login/passkey", [signed(begin())] * 20)
    else:
        refused = {"second_factor_invalid", "token_invalid", "login_settled"}
        codes = ["100000"] * 20 if kind == "one-code" else users.codes
        login = log_in().json()["login"]
        bodies = [{"login": login, "totp": code} for code in sorted(codes)]
        answers = all_at_once("login/second_factor", bodies)

    found = [outcome(answer) for answer in answers]
    assert found.count((200, None)) == 1
    assert {code for _, code in found} - {None} <= refused
    opened = Session.objects.get()
    assert Event.objects.filter(sid=opened.id).count() == 1
    cookies = [cookie_of(answer) for answer in answers]
    assert cookies.count(None) == 19


def test_of_many_wrong_codes_five_are_verified(users, trusted_kid):
    """LVL-02."""
    users.methods = ["totp"]
    wrong = {"login": log_in().json()["login"], "totp": "000000"}
    answers = all_at_once("login/second_factor", [wrong] * 20)

    assert len(users.proofs) == 5
    left = [answer.data.get("tries_left") for answer in answers]
    assert sorted(each for each in left if each is not None) == [0, 1, 2, 3, 4]


def open_pending(login):
    user = {"sub": login.user_id, "session_epoch": 1}
    return Session.objects.open(user, None, "", login=login.id)


def test_a_pending_login_waits_for_another_try_and_for_a_push():
    """The row of the login and the user's floor are looked at again after a lock; one
    that is refused for its epoch is not settled."""
    login = PendingLoginFactory()
    opened = behind_a_lock(lambda: open_pending(login), lambda: open_pending(login))
    assert opened is None
    assert Session.objects.count() == 1
    tried, settled, behind = (
        PendingLoginFactory(),
        PendingLoginFactory(),
        PendingLoginFactory(),
    )
    opened = behind_a_lock(
        lambda: PendingLogin.objects.filter(id=tried.id).update(attempts=1),
        lambda: open_pending(tried),
    )
    assert opened.user_id == tried.user_id
    opened = behind_a_lock(
        lambda: PendingLogin.objects.settle(settled), lambda: open_pending(settled)
    )
    assert opened is None
    opened = behind_a_lock(
        lambda: Session.objects.raise_floors([behind.user_id], 2),
        lambda: open_pending(behind),
    )
    assert opened is None
    behind.refresh_from_db()
    assert behind.settled_at is None


@pytest.mark.parametrize("first", [log_out_row, rotate])
def test_a_step_up_that_waited_looks_at_the_session_again(make_session, first):
    session = make_session()
    login = PendingLoginFactory(sid=session.id, purpose="step_up")

    found = behind_a_lock(
        lambda: first(session), lambda: Session.objects.step_up(login, ["otp"])
    )

    row = Session.objects.get()
    assert (found is None) == (first is log_out_row)
    assert row.acr == ("aal1" if first is log_out_row else "aal2")
    assert (row.jti != session.jti) == (first is rotate)


def test_of_two_step_ups_with_one_login_one_succeeds(make_session):
    session = make_session()
    login = PendingLoginFactory(sid=session.id, purpose="step_up")

    def step_up():
        return Session.objects.step_up(login, ["otp"])

    assert behind_a_lock(step_up, step_up) is None
    assert at_once(*[step_up] * 5) == [None] * 5
