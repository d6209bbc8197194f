"""An insecure production does not start."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from shared.production import refuse_unsafe

SAFE: dict[str, Any] = {
    "ENVIRONMENT": "production",
    "DEBUG": False,
    "SECRET_KEY": "k" * 50,
    "ALLOWED_HOSTS": ["auth.example.org"],
    "COOKIE_SECURE": True,
    "CORS_ALLOWED_ORIGINS": [],
    "ACCESS_TOKEN_LIFETIME": 300,
    "JWT_ISSUER": "https://auth.example.org",
    "JWT_LEEWAY": 10,
}


def test_a_safe_production_starts():
    refuse_unsafe(SAFE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", True),
        ("SECRET_KEY", "k" * 49),
        ("SECRET_KEY", "django-insecure-" + "k" * 50),
        ("ALLOWED_HOSTS", ["*"]),
        ("COOKIE_SECURE", False),
        ("CORS_ALLOWED_ORIGINS", ["*"]),
        ("ACCESS_TOKEN_LIFETIME", 3601),
        ("JWT_LEEWAY", 61),
        ("JWT_ISSUER", "http://auth.example.org"),
        ("JWT_ISSUER", "auth.example.org"),
        ("JWT_ISSUER", ""),
        ("JWT_ISSUER", "https://"),
        ("JWT_ISSUER", "https://auth.example.org?"),
        ("JWT_ISSUER", "https://auth.example.org/#a"),
    ],
)
def test_an_unsafe_setting_is_refused_by_name(name: str, value: Any):
    unsafe = SAFE | {name: value}
    with pytest.raises(ImproperlyConfigured, match=name):
        refuse_unsafe(unsafe)
    refuse_unsafe(unsafe | {"ENVIRONMENT": "development"})


def test_every_fault_is_named_at_once_and_no_secret_is():
    unsafe = SAFE | {"DEBUG": True, "SECRET_KEY": "short-canary"}
    with pytest.raises(ImproperlyConfigured) as refusal:
        refuse_unsafe(unsafe)
    assert "DEBUG" in str(refusal.value)
    assert "SECRET_KEY" in str(refusal.value)
    assert "canary" not in str(refusal.value)


def test_an_unknown_environment_is_refused():
    with pytest.raises(ImproperlyConfigured, match="ENVIRONMENT"):
        refuse_unsafe(SAFE | {"ENVIRONMENT": "prod"})
