"""What the checker of the chaos runs finds, and how long it lets a revoked token be
accepted, by the faults meanwhile."""

import pytest

from deploy.tests.chaos.checker import FLUSH, LIFETIME, SWEEP, Checker, refused_from
from deploy.tests.chaos.record import Account, Answer, Ending, Record, Session, Trouble

PROBLEM = {"content-type": "application/problem+json", "retry-after": "3"}


def trouble(begun: float, back: float, part: str, *, flushes: bool = False) -> Trouble:
    return Trouble("test", frozenset([part]), begun, flushes, back)


# Of an ending that was acknowledged at 100.
@pytest.mark.parametrize(
    ("found", "pushed", "bound"),
    [
        pytest.param([], False, 0, id="calm"),
        pytest.param([trouble(95, 105, "users>redis")], False, 0, id="only-reads"),
        pytest.param([trouble(50, 60, "redis")], False, 0, id="long-over"),
        pytest.param([trouble(101, 105, "auth>redis")], False, 0, id="comes-later"),
        pytest.param(
            [trouble(95, 105, "auth>redis")], False, 5 + SWEEP + 3, id="in-force"
        ),
        pytest.param([trouble(95, 500, "redis")], False, LIFETIME, id="for-long"),
        pytest.param([trouble(95, 99.5, "redis")], False, SWEEP + 2.5, id="just-over"),
        pytest.param(
            [trouble(105, 105, "redis", flushes=True)], False, 5 + FLUSH, id="flush"
        ),
        pytest.param(
            [trouble(160, 160, "redis", flushes=True)], False, 0, id="late-flush"
        ),
        pytest.param([trouble(95, 99, "users>auth")], True, LIFETIME, id="push-lost"),
        pytest.param([trouble(95, 99, "users>auth")], False, 0, id="no-push"),
    ],
)
def test_a_bound_follows_from_the_troubles(
    found: list[Trouble], pushed: bool, bound: float
) -> None:
    ending = Ending("test", begun=99.9, acked=100.0, pushed=pushed)
    record = Record()
    record.troubles = found
    assert refused_from(ending, "access", record, 1000) == pytest.approx(100 + bound)
    assert refused_from(ending, "refresh", record, 1000) == 100


@pytest.fixture
def checker() -> Checker:
    return Checker(Record())


@pytest.fixture
def session() -> Session:
    """Logged in at 10, and logged out at 20."""
    account = Account(sub="ada")
    ended = [Ending("log out", 19, acked=20)]
    return Session(account, "sid", 10, 11, "cookie", "access", 2**40, endings=ended)


def answer(status: int, begun: float = 30, code: str = "", **more: object) -> Answer:
    return Answer("me", begun, begun + 1, status, {"code": code}, **more)  # type: ignore[arg-type]


def test_a_token_that_is_taken_after_its_end_is_found(
    checker: Checker, session: Session
) -> None:
    """And one that is refused before anything has ended it; and nothing else."""
    checker.token(session, answer(401, code="token_revoked"), session.expires)
    checker.token(session, answer(200, begun=15), session.expires)
    assert not checker.violations
    checker.form(session, answer(200), "front")
    checker.token(session, answer(200), session.expires)
    assert [*checker.violations] == ["revoked token accepted"]
    assert "me               200" in checker.violations["revoked token accepted"]
    checker.token(session, answer(401, begun=15), session.expires)
    assert [*checker.violations][1:] == ["session lost"]


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        pytest.param(answer(502), "undocumented error", id="bare-502"),
        pytest.param(
            answer(503, code="overloaded"), "undocumented error", id="no-retry-after"
        ),
        pytest.param(
            answer(503, code="overloaded", headers=PROBLEM, cookie=""),
            "cookie cleared",
            id="cookie-cleared",
        ),
        pytest.param(answer(0, lost="reset"), "no answer", id="none"),
        pytest.param(answer(503, code="overloaded", headers=PROBLEM), "", id="good"),
    ],
)
def test_a_wrong_answer_of_an_outage_is_found(
    checker: Checker, session: Session, response: Answer, kind: str
) -> None:
    checker.form(session, response, "front")
    assert list(checker.violations) == ([kind] if kind else [])


def test_what_is_another_users_and_what_is_used_again_is_found(
    checker: Checker, session: Session
) -> None:
    account = session.account
    checker.same(session, answer(200), sub="ada")
    checker.log_in(account, answer(401), "not the password")
    checker.log_in(account, answer(200), account.password)
    assert not checker.violations
    checker.same(session, answer(200), sub="mallory")
    checker.log_in(account, answer(200), "not the password")
    checker.log_in(account, answer(401), account.password)
    checker.replay(session, answer(200))
    assert [*checker.violations] == [
        "another user's",
        "wrong password",
        "login refused",
        "reuse accepted",
    ]
