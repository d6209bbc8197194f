"""What each act may cost on its success path: statements and round trips, exactly."""

import sys
from contextlib import contextmanager

import pytest
from django.conf import settings

from tests.conftest import (
    CREDENTIALS,
    PASSWORD,
    access_token,
    log_in,
    log_out,
    post,
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
    with budget(sql=0, redis=0):
        assert log_in(body=CREDENTIALS | {"password": "wrong"}).status_code == 401
    with redis_down(), budget(sql, redis=0):
        assert log_in().status_code == 200


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


def test_a_login_with_a_factor(make_session, users, budget):
    """What waits; the try, the session, the cap. A wrong code costs the try alone."""
    users.methods = ["totp"]
    make_session()
    with budget(sql=1, redis=0):
        login = log_in().json()["login"]
    with budget(sql=1, redis=0):
        wrong = {"login": login, "totp": "000000"}
        assert post("login/second_factor", data=wrong).status_code == 401
    with budget(sql=3, redis=1):
        right = {"login": login, "totp": "123456"}
        assert post("login/second_factor", data=right).status_code == 200
    assert users.calls == 3


def test_step_up(session, users, budget):
    """The session and what waits; the try and the session's level."""
    client = signed_in(session, users)
    client.get(URL)
    with budget(sql=2, redis=1):
        login = client.post("/api/v1/auth/step_up/options").json()["login"]
    with budget(sql=2, redis=2):
        body = {"login": login, "password": PASSWORD}
        assert client.post("/api/v1/auth/step_up", body).status_code == 200


def test_refresh_and_logout(session, users, budget):
    """Then within the leeway, by the current token and by its predecessor."""
    token = refresh_token(session)
    with budget(sql=1, redis=2):
        assert refresh(token).status_code == 200
    assert users.calls == 1
    session.refresh_from_db()
    for each, redis in ((refresh_token(session), 2), (token, 3)):
        with budget(2, redis):
            assert refresh(each).status_code == 200
    with budget(sql=1, redis=1):
        assert log_out(token).status_code == 200


def test_verify_token(session, users, verified, introspected, budget):
    """First with a key that is missing."""
    token = access_token(session, users)
    for sql, redis, ask in ((1, 2, verified), (0, 1, verified), (0, 1, introspected)):
        with budget(sql, redis):
            assert ask(token).status_code == 200


def test_the_sessions_of_a_user(make_session, users, service_client, budget):
    """Those of the user, of an operator, and a push."""
    here, there, elsewhere, *_ = [make_session() for _ in range(20)]
    client, service = signed_in(here, users), service_client("users")
    of_user = f"/api/v1/auth/users/{users.user['id']}/sessions"
    push = {"user_ids": [users.user["id"]], "epoch": 2, "reason": "password"}
    client.get(URL)
    with budget(sql=1, redis=1):
        assert len(client.get(URL).json()) == 20
    with budget(sql=1, redis=2):
        assert client.delete(f"{URL}/{there.id}").status_code == 204
    with budget(sql=1, redis=0):
        assert len(service.get(of_user).json()["sessions"]) == 19
    with budget(sql=1, redis=1):
        answer = service.post(f"{of_user}/{elsewhere.id}/revoke")
    assert answer.json() == {"revoked": 1}
    with budget(sql=2, redis=2):  # the floor, the sessions
        answer = client.post("/api/v1/auth/logout_all", {"keep_current": True})
    assert answer.json() == {"revoked": 17}
    assert users.calls == 1
    with budget(sql=2, redis=1):
        answer = service.post(f"{URL}/revoke", push)
    assert answer.json() == {"revoked": 1}
