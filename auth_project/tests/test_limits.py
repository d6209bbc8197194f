"""Guessing at log-in and refresh, over HTTP: what an attacker and what a person gets.

How counting works is tested in `shared/tests/test_limits.py`.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from shared.api.exceptions import DependencyUnavailable, Overloaded
from shared.auth import session_state
from shared.limits import acts, attempts
from shared.limits.rules import DEFAULTS, Limit
from tests.conftest import (
    PASSWORD,
    cookie_of,
    outcome,
    redis_away,
    refresh,
    refresh_token,
)
from tokens.models import SessionQuerySet, Tally

pytestmark = pytest.mark.django_db

HERE, THERE = "192.0.2.7", "203.0.113.9"
ADA = "ada@example.org"
WRONG = "not the password"


@pytest.fixture(autouse=True)
def _service(users, trusted_kid, settings):
    """Every test here has a User Service, keys, and the limits of the documents."""
    settings.LIMITS = DEFAULTS


@pytest.fixture
def limited(settings):
    """The settings with these limits."""

    def limit(**limits):
        settings.LIMITS = {**settings.LIMITS, **limits}

    return limit


def log_in(password=WRONG, login=ADA, address=HERE, **headers):
    client = APIClient(raise_request_exception=False)
    body = {"email": login, "password": password}
    headers = {"X-Real-IP": address, **headers}
    return client.post("/api/v1/auth/login", body, "json", headers=headers)


def at_once(count, act):
    """The answers of so many threads that begin together."""
    start = threading.Barrier(count)

    def go(_):
        start.wait()
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(go, range(count)))


def events(caplog):
    return [r.event for r in caplog.records if r.name == "memo.audit"]


def test_five_failures_and_then_a_wait(users, pass_time):
    """BF-01."""
    assert [outcome(log_in())[0] for _ in range(6)] == [401] * 5 + [429]
    answer = log_in(PASSWORD)
    assert outcome(answer) == (429, "rate_limited")
    assert 55 <= int(answer["Retry-After"]) <= 60
    assert answer["Content-Type"] == "application/problem+json"
    assert users.calls == 5
    pass_time(61)
    assert outcome(log_in())[0] == 401
    assert 115 <= int(log_in(PASSWORD)["Retry-After"]) <= 120
    pass_time(121)
    assert log_in(PASSWORD).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_a_hundred_at_once_five_are_asked_about(users):
    """BF-02: reserved before a password is looked at."""
    answers = at_once(100, log_in)

    assert users.calls <= 5
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [401] * 5 + [429] * 95


def test_a_client_cannot_choose_what_it_is_counted_by():
    """BF-03."""
    spoofed = [
        {"X-Forwarded-For": f"198.51.100.{n}", "Forwarded": f"for=198.51.100.{n}"}
        for n in range(8)
    ]
    statuses = [log_in(**headers).status_code for headers in spoofed]
    assert statuses == [401] * 5 + [429] * 3


def test_another_spelling_is_the_same_login(users):
    for login in [ADA, "ADA@example.org", " ada@example.org", "Ada@Example.ORG", ADA]:
        assert outcome(log_in(login=login))[0] == 401
    assert outcome(log_in(login="ADA@EXAMPLE.ORG"))[0] == 429


def test_an_attacker_elsewhere_locks_nobody_out(session):
    """BF-04: nor out of a session that is open."""
    for n in range(4):
        for _ in range(6):
            log_in(address=f"198.51.{n}.1")
    assert outcome(log_in(address="198.51.0.1"))[0] == 429

    assert refresh(refresh_token(session)).status_code == 200
    assert log_in(PASSWORD).status_code == 200


def test_beyond_the_ceiling_who_is_known_gets_in(limited):
    """BF-04: from where the account was logged in to before."""
    assert log_in(PASSWORD).status_code == 200
    limited(LOGIN_LIMIT_PER_ACCOUNT=Limit(8, 86400))
    for n in range(10):
        log_in(address=f"198.51.{n}.1")
    answer = log_in(PASSWORD, address=THERE)
    assert outcome(answer) == (429, "rate_limited")
    assert 3590 <= int(answer["Retry-After"]) <= 3600

    assert log_in(PASSWORD).status_code == 200


def test_a_username_is_known_where_its_address_is(limited):
    assert log_in(PASSWORD).status_code == 200
    limited(LOGIN_LIMIT_PER_ACCOUNT=Limit(1, 86400))
    body = {"username": "ada", "password": PASSWORD}
    for address in (THERE, HERE):
        client = APIClient(headers={"X-Real-IP": address})
        client.post("/api/v1/auth/login", body | {"password": "wrong"}, "json")
    client = APIClient(headers={"X-Real-IP": HERE})
    assert client.post("/api/v1/auth/login", body, "json").status_code == 200


def test_an_unknown_account_is_treated_exactly_alike():
    """BF-04: whether there is somebody is not told by a limit either."""

    def story(login):
        answers = [log_in(login=login, address=HERE) for _ in range(7)]
        bodies = []
        for answer in answers:
            body = answer.json()
            del body["request_id"]
            kept = {k: v for k, v in answer.headers.items() if k != "X-Request-ID"}
            bodies.append((answer.status_code, body, kept))
        return bodies

    known = story(ADA)
    call_command("liftlock", HERE)
    unknown = story("ada@example.com")
    assert [status for status, *_ in known] == [401] * 5 + [429] * 2
    assert known == unknown


@pytest.mark.parametrize("error", [DependencyUnavailable, Overloaded])
def test_our_trouble_is_nobodys_attempt(users, monkeypatch, error):
    """BF-05."""

    def fail(credentials):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(users, "verify", fail)
        assert [log_in().status_code for _ in range(20)] == [503] * 20
    assert [log_in().status_code for _ in range(6)] == [401] * 5 + [429]


def test_a_success_forgets_failures():
    """BF-05."""
    for _ in range(3):
        assert [log_in().status_code for _ in range(3)] == [401] * 3
        assert log_in(PASSWORD).status_code == 200
        call_command("liftlock", HERE)


def test_people_behind_one_address_may_all_log_in():
    assert [log_in(PASSWORD).status_code for _ in range(30)] == [200] * 30


def test_a_network_that_sprays_is_slowed(caplog, limited):
    """BF-07."""
    limited(LOGIN_LIMIT_SPRAYING=Limit(3, 3600))
    sprayed = [(f"{n}@example.org", f"198.51.100.{n}") for n in range(10)]
    with caplog.at_level("INFO", logger="memo.audit"):
        answers = [log_in(login=login, address=ip) for login, ip in sprayed]

    assert [each.status_code for each in answers] == [401] * 7 + [429] * 3
    found = [r for r in caplog.records if getattr(r, "bucket", "") == "spraying"]
    assert {r.event for r in found} == {"excess_rate_limit_exceeded"}
    assert log_in(PASSWORD, address=THERE).status_code == 200


def test_limits_are_audited_without_what_was_typed(caplog, limited):
    """LOG-02."""
    limited(LOGIN_LIMIT_PER_ACCOUNT=Limit(6, 86400))
    with caplog.at_level("INFO", logger="memo.audit"):
        for _ in range(6):
            log_in()
        log_in(address=THERE)
    found = [r for r in caplog.records if r.name == "memo.audit"]
    assert [r.event for r in found] == [
        *["authn_login_fail"] * 5,
        "authn_login_lock",
        "excess_rate_limit_exceeded",
        "authn_login_fail",
        "authn_login_fail_max",
    ]
    lock, excess, _, ceiling = found[5:]
    assert (lock.act, lock.bucket, lock.limit, lock.seconds) == (
        "login",
        "pair",
        "5/900",
        60.0,
    )
    assert (excess.bucket, excess.ip) == ("pair", HERE)
    assert (ceiling.bucket, ceiling.seconds) == ("account", 3600.0)
    assert len({r.login for r in found}) == 1
    assert "example.org" not in "".join(str(vars(record)) for record in found)


# Refresh


def test_refreshes_of_a_session_are_limited_and_the_cookie_stays(make_session):
    """BF-06."""
    first, second = make_session(), make_session()
    token = refresh_token(first)
    answers = [refresh(token, **{"X-Real-IP": HERE}) for _ in range(31)]

    assert [each.status_code for each in answers] == [200] * 30 + [429]
    assert cookie_of(answers[-1]) is None
    assert 55 <= int(answers[-1]["Retry-After"]) <= 60
    assert refresh(refresh_token(second), **{"X-Real-IP": HERE}).status_code == 200


def test_refreshes_from_an_address_are_limited(make_session, limited):
    limited(REFRESH_LIMIT_PER_ADDRESS=Limit(2, 60))
    tokens = [refresh_token(make_session()) for _ in range(3)]
    answers = [refresh(token, **{"X-Real-IP": HERE}) for token in tokens]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert refresh(tokens[2], **{"X-Real-IP": THERE}).status_code == 200


def test_a_refresh_that_found_nobody_is_no_attempt(session, users, limited):
    limited(REFRESH_LIMIT_PER_SESSION=Limit(2, 60))
    users.down = True
    token = refresh_token(session)
    assert [refresh(token).status_code for _ in range(5)] == [503] * 5
    users.down = False
    assert refresh(token).status_code == 200


def test_without_limits_a_refresh_still_looks_at_its_session(session, limited):
    limited(
        REFRESH_LIMIT_PER_SESSION=Limit(0, 60), REFRESH_LIMIT_PER_ADDRESS=Limit(0, 60)
    )
    session_state.mark_revoked([session_state.Revocation(session.id, "test", 60)])
    assert outcome(refresh(refresh_token(session))) == (401, "token_revoked")


# Redis away: the floor


def test_without_redis_postgresql_counts(users):
    """§1.1: knocking Redis out buys no guesses, and locks nobody else out."""
    with redis_away():
        assert [log_in().status_code for _ in range(7)] == [401] * 5 + [429] * 2
        answer = log_in(PASSWORD)
        assert outcome(answer) == (429, "rate_limited")
        assert 890 <= int(answer["Retry-After"]) <= 900
        assert log_in(PASSWORD, address=THERE).status_code == 200
    assert users.calls == 6
    assert not Tally.objects.filter(bucket__contains="ada").exists()


def test_without_redis_the_account_has_a_ceiling_too(limited):
    limited(LOGIN_LIMIT_PER_ACCOUNT=Limit(8, 86400))
    with redis_away():
        guesses = [log_in(address=f"198.51.{n}.1").status_code for n in range(12)]
    assert guesses == [401] * 8 + [429] * 4


def test_without_redis_what_is_off_stays_off(settings):
    settings.LIMITS = dict.fromkeys(DEFAULTS, Limit(0, 60)) | {
        "LOGIN_LIMIT_GLOBAL": DEFAULTS["LOGIN_LIMIT_GLOBAL"]
    }
    with redis_away():
        assert {log_in().status_code for _ in range(12)} == {401}


def test_without_redis_an_address_has_its_limit(users):
    with redis_away():
        logins = [f"{n}@example.org" for n in range(12)]
        statuses = [log_in(login=login).status_code for login in logins]
    assert statuses == [401] * 10 + [429] * 2


def test_without_redis_a_refusal_counts_for_nothing():
    with redis_away():
        for _ in range(30):
            log_in()
    counts = dict(Tally.objects.values_list("bucket", "count"))
    assert len(counts) == 3
    assert set(counts.values()) == {5}


def test_without_redis_a_success_forgets_and_503_does_not_count(users):
    with redis_away():
        for _ in range(4):
            log_in()
        assert log_in(PASSWORD).status_code == 200
        users.down = True
        assert [log_in().status_code for _ in range(9)] == [503] * 9
        users.down = False
        assert [log_in().status_code for _ in range(6)] == [401] * 5 + [429]


def test_without_redis_a_window_ends(users):
    with redis_away():
        for _ in range(6):
            log_in()
        Tally.objects.update(expires_at="2020-01-01T00:00:00Z")
        assert log_in().status_code == 401
        assert set(Tally.objects.values_list("count", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_without_redis_of_a_hundred_at_once_five_are_asked_about(users):
    """BF-02."""
    with redis_away():
        for _ in range(3):
            session_state.breaker.failed()  # as any moment later
        answers = at_once(100, log_in)
    assert users.calls <= 5
    assert {answer.status_code for answer in answers} <= {401, 429, 503}
    assert sum(answer.status_code == 401 for answer in answers) == users.calls


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_the_user_is_asked_for(users, monkeypatch):
    """DATA-07: nor by the floor."""
    asked = users.verify
    held = []

    def look(credentials):
        held.append(connection.connection)
        return asked(credentials)

    monkeypatch.setattr(users, "verify", look)
    with redis_away():
        assert log_in(PASSWORD).status_code == 200
    assert held == [None]


def test_a_refresh_is_open_without_redis(session):
    with redis_away():
        token = refresh_token(session)
        statuses = {refresh(token).status_code for _ in range(40)}
    assert statuses == {200}


def test_what_was_counted_in_postgresql_is_purged(capsys):
    with redis_away():
        for n in range(5):
            log_in(login=f"{n}@example.org")
    kept = Tally.objects.order_by("bucket").first()
    Tally.objects.exclude(pk=kept.pk).update(expires_at="2020-01-01T00:00:00Z")
    total = Tally.objects.count()
    call_command("flushlimits")
    assert f"Deleted {total - 1} expired counts." in capsys.readouterr().out
    assert [each.pk for each in Tally.objects.all()] == [kept.pk]


# Operators


def test_an_operator_sees_and_lifts_a_lock(capsys, caplog):
    for _ in range(6):
        log_in()
    call_command("listlocks", ADA)
    assert "login:pair" in capsys.readouterr().out
    call_command("liftlock", ADA, "--address", THERE)
    assert outcome(log_in(PASSWORD))[0] == 429
    caplog.clear()
    call_command("liftlock", ADA, "--address", HERE)
    assert events(caplog) == ["authn_login_unlock"]
    assert log_in(PASSWORD).status_code == 200


def test_an_operator_lifts_what_postgresql_has_counted():
    with redis_away():
        for _ in range(6):
            log_in()
        with pytest.raises(CommandError, match="is forgotten"):
            call_command("liftlock", ADA)
        assert log_in(PASSWORD).status_code == 200


def test_lifting_needs_somebody_and_redis():
    with pytest.raises(CommandError, match="Name somebody"):
        call_command("liftlock", "")
    with pytest.raises(CommandError, match="IP address"):
        call_command("liftlock", ADA, "--address", "somewhere")
    with redis_away():
        for words in (["listlocks"], ["liftlock", ADA]):
            with pytest.raises(CommandError, match="Redis"):
                call_command(*words)


def test_the_user_service_sees_and_lifts_locks(service_client):
    for _ in range(6):
        log_in()
    client = service_client("users")
    body = {"logins": [ADA, "ada"]}
    [lock] = client.post("/api/v1/auth/locks", body, "json").json()["locks"]
    assert (lock["limit"], lock["failures"]) == ("login:pair", 5)
    assert 50 <= lock["seconds"] <= 60
    lifted = client.post("/api/v1/auth/locks/lift", body, "json").json()
    assert lifted == {"lifted": 2}
    assert log_in(PASSWORD).status_code == 200


@pytest.mark.parametrize("path", ["locks", "locks/lift"])
def test_locks_are_for_the_user_service_alone(service_client, path):
    body = {"logins": [ADA]}
    url = f"/api/v1/auth/{path}"
    refused = service_client("reports").post(url, body, "json")
    assert outcome(refused) == (403, "forbidden")
    assert outcome(APIClient().post(url, body, "json"))[0] == 401
    with redis_away():
        away = service_client("users").post(url, body, "json")
    assert outcome(away) == (503, "dependency_unavailable")


def test_a_log_in_that_cannot_be_stored_is_no_attempt(monkeypatch):
    """The password was right, and nothing came of it."""

    def fail(*args):
        raise OperationalError

    monkeypatch.setattr(SessionQuerySet, "open", fail)
    assert [log_in(PASSWORD).status_code for _ in range(12)] == [503] * 12
    act = acts.log_in(ADA, HERE)
    assert all(attempts.reserve(act) for _ in range(5))
