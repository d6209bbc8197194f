"""What the settings promise: no fallback of a library's, and no open door."""

import jwt
import pytest
from django.conf import settings
from django.core.management import call_command
from rest_framework.test import APIClient
from rest_framework_simplejwt import tokens as simplejwt

from tests.conftest import cookie_of, outcome, post, refresh, refresh_token
from tokens.models import Session

FRONT_END = "https://app.memo.example"
LIVE = "/api/v1/auth/health/live"


def test_nothing_is_ever_signed_with_the_secret_key():
    """TOK-01: simplejwt's default, should our classes be passed by."""
    with pytest.raises((TypeError, ValueError, jwt.PyJWTError)):
        str(simplejwt.AccessToken())


@pytest.mark.django_db
def test_a_refresh_token_of_simplejwts_own_is_refused(trusted_kid):
    token = jwt.encode({"token_type": "refresh"}, settings.SECRET_KEY, "HS256")

    assert outcome(refresh(token)) == (401, "token_invalid")


def test_a_401_undoes_nothing():
    """TOK-08: with ATOMIC_REQUESTS it would undo the revocation it reports."""
    assert settings.DATABASES["default"]["ATOMIC_REQUESTS"] is False


def test_redis_tells_its_errors_soon():
    """DATA-02, DATA-05: else "not revoked" and "no idea" would look alike."""
    options = settings.CACHES["default"]["OPTIONS"]

    assert options["IGNORE_EXCEPTIONS"] is False
    assert options["SOCKET_CONNECT_TIMEOUT"] <= 0.5
    assert options["SOCKET_TIMEOUT"] <= 0.5
    assert "JSON" in options["SERIALIZER"]


def test_the_settings_pass_their_own_checks(settings):
    settings.INTERNAL_API_KEYS = [("users", "k" * 43)]
    settings.USERS_SERVICE_API_KEY = "another" * 7

    call_command("check", fail_level="ERROR")


# --- CORS (COOK-06) -----------------------------------------------------------------


@pytest.mark.parametrize("origin", [FRONT_END, "null", "https://evil.example"])
def test_by_default_no_other_origin_may_read(origin):
    answer = APIClient().get(LIVE, headers={"Origin": origin})

    assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.mark.django_db
def test_a_front_end_that_is_listed_may_refresh(session, settings):
    settings.CORS_ALLOWED_ORIGINS = [FRONT_END]

    answer = refresh(refresh_token(session), Origin=FRONT_END)

    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == FRONT_END
    assert answer["Access-Control-Allow-Credentials"] == "true"
    assert "origin" in answer["Vary"].lower()


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://app.memo.example",
        "https://app.memo.example.evil.example",
        "https://app.memo.example:8443",
    ],
)
def test_the_list_is_exact(settings, origin):
    settings.CORS_ALLOWED_ORIGINS = [FRONT_END]

    answer = APIClient().get(LIVE, headers={"Origin": origin})

    assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.django_db
def test_a_form_of_another_site_logs_nobody_in_or_out(session, users):
    """A form cannot send JSON, and SameSite=Strict keeps the cookie from it."""
    forms = ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data")
    for content_type in forms:
        answer = APIClient().generic(
            "POST", "/api/v1/auth/login", b"username=ada", content_type
        )
        assert outcome(answer) == (415, "unsupported_media_type")
    assert post("logout").status_code == 200
    assert Session.objects.get().revoked_at is None
    assert cookie_of(refresh(refresh_token(session)))
