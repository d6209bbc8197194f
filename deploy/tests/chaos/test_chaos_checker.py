"""The rules of the chaos runs' checker, without a stack."""

import math
from dataclasses import replace

import pytest

from deploy.tests.chaos.checker import Checker
from deploy.tests.chaos.expected_state import Account, Answer, ExpectedState, Session
from deploy.tests.chaos.timeline import (
    FLUSH,
    LIFETIME,
    SWEEP,
    Ending,
    Timeline,
    Trouble,
    refused_from,
)

LATER = math.inf  # for "never, so far"
UNAVAILABLE = Answer(
    "me",
    begun=100.0,
    ended=100.1,
    status=503,
    body={"code": "dependency_unavailable"},
    headers={"content-type": "application/problem+json", "retry-after": "1"},
)


def timeline(*troubles: Trouble) -> Timeline:
    found = Timeline()
    found.troubles = list(troubles)
    return found


def trouble(begun: float, back: float, part: str, *, flushes: bool = False) -> Trouble:
    found = Trouble("test", frozenset([part]), begun, flushes)
    found.lifted = found.back = found.recovered = back
    return found


# ---- Bounds: of an ending that was acknowledged at 100 -----------------------------


@pytest.mark.parametrize(
    ("troubles", "pushed", "bound"),
    [
        pytest.param([], False, 0, id="calm"),
        pytest.param([trouble(95, 105, "users>redis")], False, 0, id="who-only-reads"),
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
    troubles: list[Trouble], pushed: bool, bound: float
) -> None:
    ending = Ending("test", begun=99.9, acked=100.0, pushed=pushed)
    found = refused_from(ending, "access", timeline(*troubles), now=1000)
    assert found == pytest.approx(100 + bound)


def test_a_refresh_has_no_bound_but_at_once() -> None:
    ending = Ending("test", begun=99.9, acked=100.0, pushed=True)
    everything = timeline(trouble(90, LATER, "redis"), trouble(90, LATER, "users>auth"))
    assert refused_from(ending, "refresh", everything, now=1000) == 100.0


# ---- Rules -------------------------------------------------------------------------


@pytest.fixture
def checker() -> Checker:
    return Checker(ExpectedState(), Timeline())


@pytest.fixture
def session(checker: Checker) -> Session:
    """Somebody who is logged in since 10."""
    account = checker.expected.new_account()
    account.sub = "me"
    session = Session(account, "sid", 10.0, 10.1, "cookie", "token", 2**40)
    account.sessions.append(session)
    return session


def kinds(checker: Checker) -> list[str]:
    return [each.kind for each in checker.violations]


def said(status: int, code: str = "", at: float = 100.0, kind: str = "me") -> Answer:
    return Answer(kind, at, at + 0.1, status, {"code": code})


def test_a_session_that_nobody_ended_must_not_be_refused(checker, session) -> None:
    checker.token(session, said(401, "token_revoked"), session.expires)
    assert kinds(checker) == ["session lost"]


def test_what_may_have_ended_may_be_refused_and_may_not(checker, session) -> None:
    checker.token(session, said(503, "dependency_unavailable"), session.expires)
    session.endings.append(Ending("log out", begun=99.0, over=130.0))
    checker.token(session, said(200), session.expires)
    checker.token(session, said(401, "token_revoked"), session.expires)
    assert kinds(checker) == []


def test_what_was_found_over_must_not_come_back(checker, session) -> None:
    session.endings.append(Ending("log out", begun=99.0, over=130.0))
    checker.token(session, said(401, "token_revoked"), session.expires)
    checker.token(session, said(200, at=101.0), session.expires)
    assert kinds(checker) == ["revoked token accepted"]


def test_a_retry_within_the_leeway_must_not_be_taken_for_a_thiefs(
    checker, session
) -> None:
    session.presented["cookie"] = 95.0
    checker.refresh(session, said(401, "refresh_token_reused"), "cookie")
    assert kinds(checker) == ["session lost"]


def test_a_retry_after_it_may_be(checker, session) -> None:
    session.presented["cookie"] = 85.0
    checker.refresh(session, said(401, "refresh_token_reused"), "cookie")
    assert kinds(checker) == []
    assert checker.late_retries == 1


def test_the_session_that_a_change_of_password_spares_goes_on(checker, session) -> None:
    spared = Ending("change", 98.0, acked=99.0, pushed=True, spared="sid")
    session.account.endings.append(spared)
    checker.token(session, said(200), session.expires)
    assert kinds(checker) == []
    checker.token(session, said(401, "token_revoked"), session.expires)
    assert kinds(checker) == ["session lost"]


def test_a_session_begun_after_a_log_out_everywhere_is_not_of_those(
    checker, session
) -> None:
    session.account.endings.append(Ending("log out all", 5.0, acked=9.0))
    checker.token(session, said(401, "token_revoked"), session.expires)
    assert kinds(checker) == ["session lost"]


@pytest.mark.parametrize(
    "change",
    [
        {"status": 502},
        {"status": 500},
        {"headers": {"content-type": "application/problem+json"}},
        {"headers": {**UNAVAILABLE.headers, "retry-after": "0"}},
        {"headers": {**UNAVAILABLE.headers, "content-type": "text/html"}},
        {"body": {"code": "internal_error"}},
    ],
    ids=["502", "500", "no-retry-after", "at-once", "html", "unknown-code"],
)
def test_any_5xx_but_the_documented_one_is_found(checker, session, change) -> None:
    checker.form(session.account, "sid", UNAVAILABLE, "front")
    assert kinds(checker) == []
    checker.form(session.account, "sid", replace(UNAVAILABLE, **change), "front")
    assert kinds(checker) == ["undocumented error"]


@pytest.mark.parametrize(
    ("part", "lost"),
    [("gateway", "ConnectionError"), ("users", "ChunkedEncodingError")],
)
def test_a_connection_breaks_only_where_something_is_broken(
    checker, session, part: str, lost: str
) -> None:
    """A client sees a service behind the gateway by an answer that ends in its middle:
    it was killed while it answered."""
    answer = Answer("me", 100.0, 100.1, 0, lost=lost)
    checker.timeline.troubles.append(trouble(95, 105, part))
    checker.form(session.account, "sid", answer, "front")
    assert kinds(checker) == []
    if part == "users":
        whole = replace(answer, lost="ConnectionError")
        checker.form(session.account, "sid", whole, "front")
    else:
        later = replace(answer, begun=200, ended=201)
        checker.form(session.account, "sid", later, "front")
    assert kinds(checker) == ["no answer"]


def test_nobody_is_given_what_is_somebody_elses(checker, session) -> None:
    checker.same_user(session, said(200), "me")
    assert kinds(checker) == []
    checker.same_user(session, said(200), "you")
    assert kinds(checker) == ["somebody else's"]


@pytest.mark.parametrize(
    ("password", "closed", "status", "found"),
    [
        ("right", LATER, 200, []),
        ("right", LATER, 503, []),
        ("right", LATER, 401, ["login refused"]),
        ("wrong", LATER, 401, []),
        ("wrong", LATER, 200, ["wrong password"]),
        ("right", 50.0, 401, []),
        ("right", 50.0, 200, ["inactive user"]),
    ],
)
def test_who_may_log_in_may_and_nobody_else(
    checker, password: str, closed: float, status: int, found: list[str]
) -> None:
    account = Account("ada", passwords=["right"], closing=closed, closed=closed)
    checker.log_in(account, said(status), password)
    assert kinds(checker) == found


def test_a_slow_recovery_is_found(checker) -> None:
    slow = trouble(10, 20, "redis")
    slow.recovered = 29.9
    checker.recovered(slow)
    assert kinds(checker) == []
    slow.recovered = 30.1
    checker.recovered(slow)
    assert kinds(checker) == ["slow recovery"]


def test_a_violation_tells_the_story_of_its_session(checker, session) -> None:
    checker.evidence = lambda sid: f"the row of {sid}"
    checker.timeline.troubles.append(trouble(50, 60, "redis"))
    checker.form(session.account, "sid", said(200, at=20.0, kind="log in"), "front")
    checker.form(session.account, "other", said(200, at=30.0, kind="renew"), "front")
    checker.token(session, said(401, "token_revoked"), session.expires)
    told = str(checker.violations[0])
    assert "log in" in told
    assert "test begins" in told
    assert "the row of sid" in told
    assert "renew" not in told
