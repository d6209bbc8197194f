"""An unsafe production does not start (OPS-01)."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from shared import env
from shared.checks import MESSAGES, SETTINGS, refuse_unsafe

RANDOM = "S3cr-iT_p9QzXwVb7LkMnH2dJgFyRtUo5AaEeCv0N1hK8mB4"
OTHER = RANDOM.swapcase()
REDIS = "django_redis.cache.RedisCache"

SAFE: dict[str, Any] = {
    "ENVIRONMENT": "production",
    "DEBUG": False,
    "SECRET_KEY": RANDOM + "xyz",
    "ALLOWED_HOSTS": ["auth.example.org", "auth"],
    "INTERNAL_HOSTS": ["auth"],
    "INSTALLED_APPS": ["django.contrib.sessions"],
    "COOKIE_SECURE": True,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "CORS_ALLOWED_ORIGINS": ["https://app.example.org"],
    "ACCESS_TOKEN_LIFETIME": 3600,
    "JWT_ISSUER": "https://auth.example.org",
    "JWT_AUDIENCE": "memo",
    "JWT_LEEWAY": 60,
    "SIMPLE_JWT": {"ALGORITHM": "RS256", "SIGNING_KEY": None},
    "EXPECTED_CALLERS": ["users"],
    "INTERNAL_API_KEYS": [("users", RANDOM)],
    "USERS_SERVICE_URL": "http://users:8000",
    "USERS_SERVICE_API_KEY": OTHER,
    "AUTH_SERVICE_URL": "",
    "AUTH_SERVICE_API_KEY": "",
    "AUTH_USER_MODEL": "users.User",
    "PASSWORD_HASHERS": [
        "users.hashers.Argon2Hasher",
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    ],
    "CACHES": {"default": {"BACKEND": REDIS, "OPTIONS": {"IGNORE_EXCEPTIONS": False}}},
    "DATABASES": {"default": {"USER": "a", "NAME": "b", "PASSWORD": RANDOM}},
    "FORWARDED_ALLOW_IPS": "10.0.0.2,192.168.7.0/24",
    "REST_FRAMEWORK": {
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]
    },
    "LOGIN_LIMIT_PER_ADDRESS": "10/60",
}


def database(**changes: str) -> dict[str, Any]:
    return {"default": SAFE["DATABASES"]["default"] | changes}


# Id of the rule, the setting, and a value that breaks it.
UNSAFE = [
    ("E001", "INTERNAL_API_KEYS", [("users", RANDOM[:42])]),
    ("E001", "USERS_SERVICE_API_KEY", OTHER[:42]),
    ("E002", "INTERNAL_API_KEYS", [("users", OTHER)]),
    ("E005", "JWT_ISSUER", ""),
    ("E005", "JWT_AUDIENCE", ""),
    ("E006", "ALLOWED_HOSTS", ["auth_service", "auth"]),
    ("E010", "DEBUG", True),
    ("E011", "SECRET_KEY", RANDOM[:49]),
    ("E011", "SECRET_KEY", "django-insecure-" + RANDOM),
    ("E011", "SECRET_KEY", "change-me-" + RANDOM),
    ("E011", "SECRET_KEY", "0123456789abcde" * 4),
    ("E011", "SECRET_KEY", ""),
    ("E012", "ALLOWED_HOSTS", ["*", "auth"]),
    ("E012", "ALLOWED_HOSTS", ["auth"]),
    ("E012", "ALLOWED_HOSTS", []),
    ("E013", "INTERNAL_API_KEYS", []),
    ("E013", "INTERNAL_API_KEYS", [("billing", RANDOM)]),
    ("E013", "INTERNAL_API_KEYS", [("users", "your-api-key-" + RANDOM)]),
    ("E013", "USERS_SERVICE_API_KEY", "k" * 50),
    ("E013", "USERS_SERVICE_API_KEY", ""),
    ("E014", "SIMPLE_JWT", {"ALGORITHM": "HS256", "SIGNING_KEY": None}),
    ("E014", "SIMPLE_JWT", {"ALGORITHM": "RS256", "SIGNING_KEY": "canary"}),
    ("E014", "SIMPLE_JWT", {}),
    ("E015", "JWT_ISSUER", "http://auth.example.org"),
    ("E015", "JWT_ISSUER", "auth.example.org"),
    ("E015", "JWT_ISSUER", "https://"),
    ("E015", "JWT_ISSUER", "https://auth.example.org?"),
    ("E015", "JWT_ISSUER", "https://auth.example.org/#a"),
    ("E016", "ACCESS_TOKEN_LIFETIME", 3601),
    ("E017", "JWT_LEEWAY", 61),
    ("E018", "COOKIE_SECURE", False),
    ("E018", "SESSION_COOKIE_SECURE", False),
    ("E019", "CORS_ALLOWED_ORIGINS", ["*"]),
    ("E019", "CORS_ALLOW_ALL_ORIGINS", True),
    ("E019", "CORS_ALLOWED_ORIGIN_REGEXES", [".*"]),
    ("E020", "PASSWORD_HASHERS", ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]),
    (
        "E020",
        "PASSWORD_HASHERS",
        ["users.hashers.Argon2Hasher", "django.contrib.auth.hashers.MD5PasswordHasher"],
    ),
    ("E021", "CACHES", {"other": {"OPTIONS": {"IGNORE_EXCEPTIONS": True}}}),
    ("E021", "DJANGO_REDIS_IGNORE_EXCEPTIONS", True),
    ("E022", "DATABASES", database(PASSWORD="")),
    ("E022", "DATABASES", database(PASSWORD="a")),
    ("E022", "DATABASES", database(PASSWORD="Postgres")),
    ("E023", "FORWARDED_ALLOW_IPS", "127.0.0.1, *"),
    ("E023", "FORWARDED_ALLOW_IPS", "0.0.0.0/0"),
    ("E023", "FORWARDED_ALLOW_IPS", "::/0"),
    ("E024", "REST_FRAMEWORK", {}),
    (
        "E024",
        "REST_FRAMEWORK",
        {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"]},
    ),
    ("E025", "LOGIN_LIMIT_PER_ADDRESS", "0"),
    ("E025", "LOGIN_LIMIT_PER_ADDRESS", "0/60"),
    ("E025", "LOGIN_LIMIT_PER_ADDRESS", 0),
    ("E025", "LOGIN_LIMIT_PER_ADDRESS", ""),
    ("E025", "LOGIN_LIMIT_PER_ADDRESS", None),
    ("E025", "LIMITS", {"LOGIN_LIMIT_GLOBAL": "0/60"}),
]


@pytest.fixture
def production(monkeypatch):
    """Settings that may start."""
    settings = SimpleNamespace(**SAFE)
    monkeypatch.setattr("shared.checks.settings", settings)
    return settings


def refusal(tag: str = SETTINGS) -> str:
    with pytest.raises(ImproperlyConfigured) as refused:
        refuse_unsafe(tag)
    return str(refused.value)


def test_a_safe_production_starts(production):
    refuse_unsafe(SETTINGS)


@pytest.mark.parametrize(("rule", "name", "value"), UNSAFE)
def test_an_unsafe_setting_is_refused_by_its_rule_alone(production, rule, name, value):
    setattr(production, name, value)
    text = refusal()

    assert f"(memo.{rule})" in text
    # (An empty issuer is not an https URL either.)
    assert text.count("(memo.") == (2 if (name, value) == ("JWT_ISSUER", "") else 1)
    assert "\n" not in text
    production.ENVIRONMENT = "development"
    refuse_unsafe(SETTINGS)


def test_every_check_of_the_settings_has_a_setting_that_breaks_it():
    need_more = {"E003", "W004", "E007", "W008"}
    assert {rule for rule, _, _ in UNSAFE} | need_more == set(MESSAGES)


def test_an_error_of_ours_cannot_be_silenced(production, settings):
    production.DEBUG = True
    settings.SILENCED_SYSTEM_CHECKS = ["memo.E010"]

    assert "memo.E010" in refusal()


def test_every_fault_is_named_at_once_and_no_secret_is(production):
    secrets = {
        "DEBUG": True,
        "SECRET_KEY": "short-canary",
        "INTERNAL_API_KEYS": [("users", "canary")],
        "USERS_SERVICE_API_KEY": "canary",
        "DATABASES": database(PASSWORD="", USER="canary"),
        "SIMPLE_JWT": {"ALGORITHM": "HS256", "SIGNING_KEY": "canary"},
        "REFRESH_LIMIT_PER_USER": "0/60",
    }
    for name, value in secrets.items():
        setattr(production, name, value)
    text = refusal()

    for name in ("DEBUG", "SECRET_KEY", "INTERNAL_API_KEYS", "USERS_SERVICE_API_KEY"):
        assert name in text
    assert "off: REFRESH_LIMIT_PER_USER" in text
    assert "canary" not in text


def test_another_algorithm_is_refused_in_our_own_code_too(production, monkeypatch):
    """TOK-01: the closed set is a constant."""
    monkeypatch.setattr("shared.checks.ALGORITHMS", ("RS256", "HS256"))

    assert "memo.E014" in refusal()


def test_a_service_without_users_and_without_simplejwt_may_start(production):
    """What a third service is: Django's own user model and hashers, no calls."""
    del production.SIMPLE_JWT
    production.AUTH_USER_MODEL = "auth.User"
    production.PASSWORD_HASHERS = SAFE["PASSWORD_HASHERS"][1:]
    production.EXPECTED_CALLERS = production.INTERNAL_API_KEYS = []
    production.USERS_SERVICE_URL = production.USERS_SERVICE_API_KEY = ""

    refuse_unsafe(SETTINGS)


def test_an_unknown_environment_is_refused(production):
    production.ENVIRONMENT = "prod"

    assert "ENVIRONMENT" in refusal()


def test_a_refused_setting_is_one_line_and_another_fault_has_its_traceback(capsys):
    env.report(ImproperlyConfigured, ImproperlyConfigured("no\n  good"), None)
    assert capsys.readouterr().err == "ImproperlyConfigured: no good\n"
    env.report(KeyError, KeyError("x"), None)
    assert "KeyError" in capsys.readouterr().err
