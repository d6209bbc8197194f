"""What the settings promise: no fallback of a library's."""

import jwt
import pytest
from django.conf import settings
from django.core.management import call_command
from rest_framework_simplejwt import tokens as simplejwt


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
    assert options["CONNECTION_POOL_KWARGS"]["protocol"] == 2
    assert "JSON" in options["SERIALIZER"]


def test_the_settings_pass_their_own_checks(settings):
    settings.INTERNAL_API_KEYS = [("users", "k" * 43)]
    settings.USERS_SERVICE_API_KEY = "another" * 7

    call_command("check", fail_level="ERROR")
