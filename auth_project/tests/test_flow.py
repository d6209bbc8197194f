"""Whole stories, each told once from log-in to refusal."""

import pytest
from rest_framework.test import APIClient

from tests.conftest import (
    PASSWORD,
    age,
    cookie_of,
    log_out,
    outcome,
    redis_away,
    refresh,
    refresh_token,
)
from tokens.models import Session

pytestmark = pytest.mark.django_db


def log_in():
    body = {"email": "ada@example.org", "password": PASSWORD}
    answer = APIClient().post("/api/v1/auth/login", body, "json")
    assert answer.status_code == 200, answer.content
    return answer


def test_log_in_refresh_verify_log_out_refused(
    users, api_client, service_client, trusted_kid
):
    login = api_client.post(
        "/api/v1/auth/login", {"email": "ada@example.org", "password": PASSWORD}, "json"
    )
    assert login.status_code == 200, login.data
    assert login.data["token_type"] == "bearer"
    assert set(login.data) == {"access_token", "token_type", "expires_in"}

    refreshed = api_client.post("/api/v1/auth/refresh")
    assert refreshed.status_code == 200, refreshed.data
    assert refreshed.data["access_token"] != login.data["access_token"]

    users_service = service_client("users")
    token = {"token": refreshed.data["access_token"]}
    verified = users_service.post("/api/v1/auth/verify_token", token, "json")
    assert verified.status_code == 200, verified.data
    assert verified.data["user_id"] == users.user["id"]

    assert api_client.post("/api/v1/auth/logout").status_code == 200

    refused = users_service.post("/api/v1/auth/verify_token", token, "json")
    assert (refused.status_code, refused.data["code"]) == (401, "token_revoked")
    api_client.cookies.clear()
    assert api_client.post("/api/v1/auth/refresh").data["code"] == "token_missing"


def test_a_stolen_cookie_ends_the_session_for_both(users, trusted_kid, verified):
    """The owner goes on, the thief comes later with what he copied."""
    stolen = cookie_of(log_in())
    mine = cookie_of(refresh(stolen))
    age(Session.objects.get(), 60)
    answer = refresh(mine)
    assert answer.status_code == 200

    assert outcome(refresh(stolen)) == (401, "refresh_token_reused")

    assert outcome(refresh(cookie_of(answer))) == (401, "token_revoked")
    assert outcome(verified(answer.data["access_token"])) == (401, "token_revoked")


def test_a_thief_who_is_first_is_found_out_by_the_owner(users, trusted_kid, verified):
    stolen = mine = cookie_of(log_in())
    age(Session.objects.get(), 60)
    thief = refresh(stolen)
    age(Session.objects.get(), 60)

    assert outcome(refresh(mine)) == (401, "refresh_token_reused")

    assert outcome(verified(thief.data["access_token"])) == (401, "token_revoked")
    assert outcome(refresh(cookie_of(thief))) == (401, "token_revoked")


def test_five_tabs_that_open_together_all_stay_logged_in(users, trusted_kid):
    """Each has the cookie of its start; slow networks deliver them one by one."""
    cookie = cookie_of(log_in())
    jar = cookie
    for tab in range(5):
        answer = refresh(cookie if tab % 2 else jar)
        assert answer.status_code == 200
        jar = cookie_of(answer) or jar
        age(Session.objects.get(), 1.5)

    assert refresh(jar).status_code == 200
    assert Session.objects.get().revoked_at is None


def test_an_answer_that_was_lost_may_be_asked_for_again(users, trusted_kid):
    """A phone in a tunnel: the rotation happened, its answer never came."""
    cookie = cookie_of(log_in())
    refresh(cookie)  # lost

    again = cookie_of(refresh(cookie))
    age(Session.objects.get(), 60)

    assert refresh(again).status_code == 200


def test_a_month_of_refreshes_ends_at_the_absolute_end(users, trusted_kid, settings):
    """TOK-05: thirty days after the log-in, however often it was refreshed."""
    settings.REFRESH_TOKEN_LIFETIME = 7 * 24 * 3600
    cookie = cookie_of(log_in())
    for _ in range(5):
        age(Session.objects.get(), 5 * 24 * 3600)
        cookie = cookie_of(refresh_as_of_now())
        assert cookie
    age(Session.objects.get(), 5 * 24 * 3600 + 60)

    assert outcome(refresh_as_of_now()) == (401, "token_expired")


def refresh_as_of_now():
    """With the session's current token, whose dates have moved with the row's."""
    return refresh(refresh_token(Session.objects.get()))


def test_a_password_change_here_ends_the_session_there(
    users, trusted_kid, service_client, verified
):
    here, there = log_in(), log_in()
    sid = verified(here.data["access_token"]).json()["sid"]

    users.user["session_epoch"] = 1
    body = {"user_id": users.user["id"], "epoch": 1, "reason": "password"}
    push = service_client("users").post(
        "/api/v1/auth/sessions/revoke", body | {"keep_sid": sid, "keep_from": 0}, "json"
    )

    assert push.json() == {"revoked": 1}
    assert outcome(verified(there.data["access_token"])) == (401, "token_revoked")
    assert outcome(refresh(cookie_of(there))) == (401, "token_revoked")
    assert verified(here.data["access_token"]).status_code == 200
    assert refresh(cookie_of(here)).status_code == 200


def test_a_push_that_was_lost_heals_at_the_next_refresh(users, trusted_kid, verified):
    granted = log_in()
    users.user["session_epoch"] = 1  # and nobody told us

    assert verified(granted.data["access_token"]).status_code == 200
    assert outcome(refresh(cookie_of(granted))) == (401, "token_revoked")
    assert outcome(verified(granted.data["access_token"])) == (401, "token_revoked")


def test_a_user_who_is_deleted_is_out_at_the_next_refresh(users, trusted_kid, verified):
    granted = log_in()
    users.gone = True

    assert outcome(refresh(cookie_of(granted))) == (401, "token_revoked")
    assert outcome(verified(granted.data["access_token"])) == (401, "token_revoked")
    users.gone = False  # restored: the old session stays dead, a new one works
    assert outcome(refresh(cookie_of(granted))) == (401, "token_revoked")
    assert refresh(cookie_of(log_in())).status_code == 200


def test_everything_but_speed_survives_a_day_without_redis(
    users, trusted_kid, verified
):
    with redis_away():
        granted = log_in()
        assert verified(granted.data["access_token"]).status_code == 200
        renewed = refresh(cookie_of(granted))
        assert renewed.status_code == 200
        assert log_out(cookie_of(renewed)).status_code == 200
        refused = verified(renewed.data["access_token"])
        assert outcome(refused) == (401, "token_revoked")

    # And Redis, when it comes back, knows nothing that is wrong.
    assert outcome(verified(renewed.data["access_token"])) == (401, "token_revoked")
