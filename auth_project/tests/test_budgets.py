"""What each act may cost on its success path: statements and round trips, exactly."""

from contextlib import ExitStack

import pytest
from rest_framework.test import APIClient

from tests.conftest import (
    PASSWORD,
    access_token,
    log_out,
    redis_away,
    refresh,
    refresh_token,
    signed_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def budget(django_assert_num_queries, redis_round_trips):
    """Statements and round trips within the block."""

    def check(sql, redis):
        stack = ExitStack()

        def count():
            assert len(redis_round_trips) == redis

        stack.enter_context(django_assert_num_queries(sql))
        stack.callback(count)
        redis_round_trips.clear()
        return stack

    return check


def test_login(users, trusted_kid, budget):
    body = {"email": "ada@example.org", "password": PASSWORD}
    with budget(sql=2, redis=1):
        answer = APIClient().post("/api/v1/auth/login", body, "json")
    assert answer.status_code == 200
    assert users.calls == 1


def test_login_without_a_cap(users, trusted_kid, budget, settings):
    settings.MAX_SESSIONS_PER_USER = 0
    body = {"email": "ada@example.org", "password": PASSWORD}
    with budget(sql=1, redis=1):
        assert APIClient().post("/api/v1/auth/login", body, "json").status_code == 200


def test_login_where_another_session_gives_way(make_session, budget, settings):
    settings.MAX_SESSIONS_PER_USER = 1
    make_session()
    body = {"email": "ada@example.org", "password": PASSWORD}
    with budget(sql=2, redis=2):
        assert APIClient().post("/api/v1/auth/login", body, "json").status_code == 200


def test_a_log_in_that_fails(users, trusted_kid, budget):
    body = {"email": "ada@example.org", "password": "wrong"}
    with budget(sql=0, redis=0):
        assert APIClient().post("/api/v1/auth/login", body, "json").status_code == 401


def test_a_log_in_without_redis(users, trusted_kid, budget):
    body = {"email": "ada@example.org", "password": PASSWORD}
    with redis_away(), budget(sql=2, redis=0):
        assert APIClient().post("/api/v1/auth/login", body, "json").status_code == 200


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


def test_verify_token(session, users, verified, budget):
    token = access_token(session, users)
    verified(token)
    with budget(sql=0, redis=1):
        assert verified(token).status_code == 200


def test_verify_token_with_a_missing_key(session, users, verified, budget):
    token = access_token(session, users)
    with budget(sql=1, redis=2):
        assert verified(token).status_code == 200


@pytest.mark.parametrize("state", ["active", "revoked"])
def test_introspection(make_token, service_client, budget, state):
    body = f"token={make_token(session=state)}"
    client, form = service_client("users"), "application/x-www-form-urlencoded"
    with budget(sql=0, redis=1):
        answer = client.post("/api/v1/auth/introspect", body, content_type=form)
    assert answer.json()["active"] is (state == "active")


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
        answer = client.post("/api/v1/auth/sessions/revoke", body, "json")
    assert answer.json() == {"revoked": 20}


def test_the_list_of_sessions(make_session, users, budget):
    here, *_ = [make_session() for _ in range(10)]
    client = signed_in(here, users)
    client.get("/api/v1/auth/sessions")
    with budget(sql=1, redis=1):
        assert len(client.get("/api/v1/auth/sessions").json()) == 10


def test_ending_one_session(make_session, users, budget):
    here, there = make_session(), make_session()
    client = signed_in(here, users)
    client.get("/api/v1/auth/sessions")
    with budget(sql=1, redis=2):
        answer = client.delete(f"/api/v1/auth/sessions/{there.id}")
    assert answer.status_code == 204


def test_logging_out_everywhere(make_session, users, budget):
    here, *_ = [make_session() for _ in range(10)]
    client = signed_in(here, users)
    client.get("/api/v1/auth/sessions")
    with budget(sql=2, redis=2):
        assert client.post("/api/v1/auth/logout_all").json() == {"revoked": 10}
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
