"""What the settings promise: no fallback of a library's, and no open door."""

import jwt
import pytest
from django.conf import settings
from django.core.management import call_command
from rest_framework.test import APIClient
from rest_framework_simplejwt import tokens as simplejwt

from tests.conftest import FORM, outcome, post, refresh, refresh_token
from tokens.models import Session

FRONT_END = "https://app.memo.example"
LIVE = "/api/v1/auth/health/live"


def test_nothing_is_ever_signed_with_the_secret_key():
    """TOK-01: simplejwt's default, should our classes be passed by."""
    with pytest.raises((TypeError, ValueError, jwt.PyJWTError)):
        str(simplejwt.AccessToken())


def test_a_401_undoes_nothing():
    """TOK-08: with ATOMIC_REQUESTS it would undo the revocation it reports."""
    assert settings.DATABASES["default"]["ATOMIC_REQUESTS"] is False


def test_redis_reports_its_errors_soon():
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


@pytest.mark.django_db
def test_a_front_end_that_is_listed_may_refresh(session, settings):
    settings.CORS_ALLOWED_ORIGINS = [FRONT_END]

    answer = refresh(refresh_token(session), Origin=FRONT_END)

    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == FRONT_END
    assert answer["Access-Control-Allow-Credentials"] == "true"
    assert "origin" in answer["Vary"].lower()


@pytest.mark.parametrize(
    ("listed", "origin"),
    [
        ([], FRONT_END),
        ([], "null"),
        ([FRONT_END], "null"),
        ([FRONT_END], "https://evil.example"),
        ([FRONT_END], "http://app.memo.example"),
        ([FRONT_END], "https://app.memo.example.evil.example"),
        ([FRONT_END], "https://app.memo.example:8443"),
    ],
)
def test_the_list_is_exact_and_empty_by_default(settings, listed, origin):
    settings.CORS_ALLOWED_ORIGINS = [*settings.CORS_ALLOWED_ORIGINS, *listed]

    answer = APIClient().get(LIVE, headers={"Origin": origin})

    assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.django_db
@pytest.mark.parametrize("content_type", [FORM, "text/plain", "multipart/form-data"])
def test_a_form_of_another_site_logs_no_user_in_or_out(session, content_type):
    """A form cannot send JSON, and SameSite=Strict keeps the cookie from it."""
    answer = APIClient().generic(
        "POST", "/api/v1/auth/login", b"username=ada", content_type
    )

    assert outcome(answer) == (415, "unsupported_media_type")
    assert post("logout").status_code == 200
    assert Session.objects.get().revoked_at is None
