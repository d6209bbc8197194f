"""The main job, told once from log-in to refusal."""

import pytest

from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def test_log_in_refresh_verify_log_out_refused(
    users, api_client, service_client, trusted_kid
):
    login = api_client.post(
        "/api/v1/auth/login", {"email": "ada@example.org", "password": PASSWORD}, "json"
    )
    assert login.status_code == 200, login.data
    assert login.data["token_type"] == "bearer"
    assert set(login.data) == {"access_token", "token_type", "expires_in"}

    refresh = api_client.post("/api/v1/auth/refresh")
    assert refresh.status_code == 200, refresh.data
    assert refresh.data["access_token"] != login.data["access_token"]

    users_service = service_client("users")
    token = {"token": refresh.data["access_token"]}
    verified = users_service.post("/api/v1/auth/verify_token", token, "json")
    assert verified.status_code == 200, verified.data
    assert verified.data["user_id"] == users.user["id"]

    assert api_client.post("/api/v1/auth/logout").status_code == 200

    refused = users_service.post("/api/v1/auth/verify_token", token, "json")
    assert (refused.status_code, refused.data["code"]) == (401, "token_revoked")
    api_client.cookies.clear()
    assert api_client.post("/api/v1/auth/refresh").data["code"] == "token_missing"
