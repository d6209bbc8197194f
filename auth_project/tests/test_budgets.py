"""What each act may cost on its success path: statements and round trips, exactly."""

import sys
from contextlib import contextmanager

import pytest
from django.conf import settings

from tests.conftest import (
    CREDENTIALS,
    access_token,
    log_in,
    log_out,
    redis_down,
    refresh,
    refresh_token,
    signed_in,
)

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/sessions"


@pytest.fixture
def budget(django_assert_num_queries, redis_round_trips):
    """Statements and round trips within the block."""

    @contextmanager
    def check(sql, redis):
        redis_round_trips.clear()
        with django_assert_num_queries(sql):
            yield
        assert len(redis_round_trips) == redis

    return check


@pytest.mark.parametrize(
    ("cap", "sql", "redis"),
    [
        pytest.param(10, 2, 1, id="login"),
        pytest.param(0, 1, 1, id="without-a-cap"),
        pytest.param(1, 2, 2, id="another-session-ends"),
    ],
)
def test_login(make_session, users, budget, settings, cap, sql, redis):
    settings.MAX_SESSIONS_PER_USER = cap
    make_session()
    with budget(sql, redis):
        assert log_in().status_code == 200
    assert users.calls == 1


def test_a_login_enters_few_functions(users, trusted_kid):
    """Of this service: what a reader has to follow from the view to the answer."""
    entered = set()

    def note(frame, event, arg):
        code = frame.f_code
        if event == "call" and f"{settings.BASE_DIR}/tokens/" in code.co_filename:
            entered.add((code.co_filename, code.co_name, code.co_firstlineno))

    log_in()
    sys.setprofile(note)
    answer = log_in()
    sys.setprofile(None)

    assert answer.status_code == 200
    named = sorted(name for _, name, _ in entered if not name.startswith("<"))
    assert len(named) <= 14, named


def test_a_login_that_fails(users, trusted_kid, budget):
    with budget(sql=0, redis=0):
        assert log_in(body=CREDENTIALS | {"password": "wrong"}).status_code == 401


def test_a_login_without_redis(users, trusted_kid, budget):
    with redis_down(), budget(sql=2, redis=0):
        assert log_in().status_code == 200


def test_refresh(session, users, budget):
    token = refresh_token(session)
    with budget(sql=1, redis=2):
        assert refresh(token).status_code == 200
    assert users.calls == 1


def test_refresh_within_the_leeway(make_session, budget):
    rotated = make_session(rotated=True)
    for jti in (rotated.jti, rotated.previous_jti):
        token = refresh_token(rotated, jti)
        with budget(sql=2, redis=2):
            assert refresh(token).status_code == 200


def test_verify_token(session, users, verified, introspected, budget):
    """First with a key that is missing."""
    token = access_token(session, users)
    with budget(sql=1, redis=2):
        assert verified(token).status_code == 200
    with budget(sql=0, redis=1):
        assert verified(token).status_code == 200
    with budget(sql=0, redis=1):
        assert introspected(token).json()["active"] is True


def test_logout(session, budget):
    token = refresh_token(session)
    with budget(sql=1, redis=1):
        assert log_out(token).status_code == 200


def test_a_push_for_many_sessions(make_session, users, service_client, budget):
    for _ in range(20):
        make_session()
    body = {"user_id": users.user["id"], "epoch": 1, "reason": "password"}
    client = service_client("users")
    with budget(sql=2, redis=1):  # the floor, the sessions
        assert client.post(f"{URL}/revoke", body).json() == {"revoked": 20}


def test_the_sessions_of_a_user(make_session, users, budget):
    here, there, *_ = [make_session() for _ in range(10)]
    client = signed_in(here, users)
    client.get(URL)
    with budget(sql=1, redis=1):
        assert len(client.get(URL).json()) == 10
    with budget(sql=1, redis=2):
        assert client.delete(f"{URL}/{there.id}").status_code == 204
    with budget(sql=2, redis=2):
        answer = client.post("/api/v1/auth/logout_all")
    assert answer.json() == {"revoked": 9}
    assert users.calls == 1


def test_an_operator_looks_at_sessions_and_ends_one(
    make_session, users, service_client, budget
):
    first, *_ = [make_session() for _ in range(10)]
    client = service_client("users")
    url = f"/api/v1/auth/users/{users.user['id']}/sessions"
    with budget(sql=1, redis=0):
        assert len(client.get(url).json()["sessions"]) == 10
    with budget(sql=1, redis=1):
        assert client.post(f"{url}/{first.id}/revoke").json() == {"revoked": 1}
