"""System checks: each by its id, silent where nothing is wrong."""

from importlib import metadata
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from shared.checks import (
    MESSAGES,
    MINIMUM_VERSIONS,
    SETTINGS,
    check_keys,
    check_settings,
    check_spelling,
    check_versions,
    refuse_unsafe,
)
from shared.env import Names
from shared.keys import signing_keys


@pytest.fixture
def pair(tmp_path, settings):
    """The settings of a service that signs, with a pair of 3072 bits."""
    signing_keys.generate(tmp_path)
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"
    return tmp_path


def ids(found):
    messages = list(found)
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def test_a_service_that_is_set_up_has_nothing_to_say(pair):
    for check in (check_settings, check_keys, check_spelling, check_versions):
        assert ids(check(None)) == []


def test_the_checks_are_registered(settings, tmp_path):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path
    settings.JWT_ISSUER = ""
    settings.ALLOWED_HOSTS = ["a_b"]
    settings.ENV_FILE_NAMES = Names({"LOG_LEVLE"}, {"LOG_LEVEL"})

    found = ids(checks.run_checks(tags=[checks.Tags.security]))

    assert sorted(found) == ["memo.E003", "memo.E005", "memo.E006", "memo.W008"]


def test_in_development_only_check_deploy_shows_what_production_would_refuse(settings):
    settings.COOKIE_SECURE = False
    found = checks.run_checks(include_deployment_checks=True)
    (ours,) = (message for message in found if message.id == "memo.E018")

    assert "COOKIE_SECURE" in ours.msg
    assert ours.id not in [message.id for message in checks.run_checks()]


def test_a_short_api_key_is_named_by_its_caller(settings):
    settings.INTERNAL_API_KEYS = [("auth", "k" * 42), ("reports", "k" * 43)]

    (message,) = check_settings(None)

    assert message.id == "memo.E001"
    assert message.msg.endswith("of auth")
    assert "kkk" not in str(message)


@pytest.mark.parametrize("name", ["AUTH_SERVICE_API_KEY", "USERS_SERVICE_API_KEY"])
def test_a_key_is_not_used_in_both_directions(settings, name):
    settings.INTERNAL_API_KEYS = [("auth", "k" * 50)]
    settings.AUTH_SERVICE_URL = settings.USERS_SERVICE_URL = "http://127.0.0.1:1"
    setattr(settings, name, "k" * 50)

    assert ids(check_settings(None)) == ["memo.E002"]


def test_missing_public_keys_are_an_error(settings, tmp_path):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path

    assert ids(check_keys(None)) == ["memo.E003"]


def test_a_resource_service_needs_no_private_key_or_the_address_of_a_key_set(
    pair, settings
):
    del settings.JWT_PRIVATE_KEYS_DIR
    assert ids(check_keys(None)) == []

    settings.JWT_JWKS_URL = "https://memo.example/.well-known/jwks.json"
    settings.JWT_PUBLIC_KEYS_DIR = None
    assert ids(check_keys(None)) == []


def test_a_start_is_refused_with_a_key_that_would_be_left_out(pair):
    """What runs goes on without a bad file; what starts says that there is one."""
    (pair / "public" / "bad.pem").write_text("x")

    (message,) = check_keys(None)

    assert message.id == "memo.E003"
    assert "bad.pem" in message.msg


def test_a_signing_key_without_its_public_half_is_an_error(pair, settings, tmp_path):
    other = tmp_path / "other"
    signing_keys.generate(other, bits=2048)
    settings.JWT_PRIVATE_KEYS_DIR = other / "private"

    (message,) = check_keys(None)

    assert message.id == "memo.E003"
    assert "public half" in message.msg


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o600])
def test_a_private_key_that_others_may_read_is_an_error(pair, mode):
    """OPS-01."""
    (private,) = (pair / "private").glob("*.pem")
    private.chmod(mode)

    assert ids(check_keys(None)) == ([] if mode == 0o600 else ["memo.E003"])


def test_a_key_below_the_recommendation_is_a_warning(settings, tmp_path):
    kid = signing_keys.generate(tmp_path, bits=2048)
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"

    (message,) = check_keys(None)

    assert (message.id, message.level) == ("memo.W004", checks.WARNING)
    assert kid in message.msg


def test_a_host_with_an_underscore_is_an_error(settings):
    """S2S-10."""
    settings.ALLOWED_HOSTS = ["users", "users_service"]

    (message,) = check_settings(None)

    assert message.id == "memo.E006"
    assert "users_service" in message.msg


@pytest.mark.parametrize(
    ("name", "version", "found"),
    [
        ("PyJWT", "2.15.0", ["memo.E007"]),
        ("PyJWT", "2.15.1", []),
        ("PyJWT", "2.16.0", []),
        ("PyJWT", "3.0", []),
        ("djangorestframework", "3.18.1", ["memo.E007"]),
        ("djangorestframework", "3.19.0", []),
        ("Django", "5.1.30", ["memo.E007"]),
        ("Django", "5.2.100", []),
        ("Django", "6.0a1", []),
        ("djangorestframework-simplejwt", "5.5.0", ["memo.E007"]),
        ("gunicorn", "26.9.9", ["memo.E007"]),
        ("gunicorn", "27.0.0", []),
        ("redis", "7.4.0", ["memo.E007"]),
        ("django-redis", "6.0.0", ["memo.E007"]),
    ],
)
def test_a_package_with_known_holes_is_an_error(monkeypatch, name, version, found):
    """SECURITY 0.1."""
    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda n: version if n == name else real(n)
    )

    messages = list(check_versions(None))

    assert ids(messages) == found
    assert name in MINIMUM_VERSIONS
    assert not found or name in messages[0].msg


# --- Spelling -----------------------------------------------------------------------

KNOWN = {"COOKIE_SECURE", "ACCESS_TOKEN_LIFETIME", "JWT_LEEWAY", "DEBUG"}
KNOWN |= {"USERS_SERVICE_URL", "REFRESH_REUSE_LEEWAY", "LOG_LEVEL"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("COOKIES_SECURE", "COOKIE_SECURE"),
        ("cookie_secure", "COOKIE_SECURE"),
        ("ACCESS_TOKEN_LIFETIM", "ACCESS_TOKEN_LIFETIME"),
        ("ACESS_TOKEN_LIFTIME", "ACCESS_TOKEN_LIFETIME"),
        ("JWT_LEWAY", "JWT_LEEWAY"),
        ("JWT_LEEWAY", None),
        ("WORKER_TMP_DIR", None),
        ("NOTES_SERVICE_URL", None),
        ("HTTP_PROXY", None),
        ("PGOPTIONS", None),
    ],
)
def test_a_name_that_is_nearly_a_known_one_is_a_warning(settings, written, meant):
    settings.ENV_FILE_NAMES = Names({written, "DEBUG"}, KNOWN)

    messages = list(check_spelling(None))

    assert ids(messages) == (["memo.W008"] if meant else [])
    hint = f"{written}, did you mean {meant}?"
    assert not meant or hint in messages[0].msg


# --- Production (OPS-01) --------------------------------------------------------------

RANDOM = "S3cr-iT_p9QzXwVb7LkMnH2dJgFyRtUo5AaEeCv0N1hK8mB4"
OTHER = RANDOM.swapcase()
REDIS = "django_redis.cache.RedisCache"
DJANGO, RENDERERS = "django.contrib.auth.hashers", "rest_framework.renderers"

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
    "PASSWORD_HASHERS": ["users.hashers.Argon2Hasher", f"{DJANGO}.PBKDF2SHA1Hasher"],
    "CACHES": {"default": {"BACKEND": REDIS, "OPTIONS": {"IGNORE_EXCEPTIONS": False}}},
    "DATABASES": {"default": {"USER": "a", "NAME": "b", "PASSWORD": RANDOM}},
    "FORWARDED_ALLOW_IPS": "10.0.0.2,192.168.7.0/24",
    "REST_FRAMEWORK": {"DEFAULT_RENDERER_CLASSES": [f"{RENDERERS}.JSONRenderer"]},
    "LOGIN_LIMIT_PER_ADDRESS": "10/60",
}


BROWSABLE = f"{RENDERERS}.BrowsableAPIRenderer"


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
    ("E020", "PASSWORD_HASHERS", [f"{DJANGO}.PBKDF2PasswordHasher"]),
    ("E020", "PASSWORD_HASHERS", ["x.Argon2Hasher", f"{DJANGO}.MD5PasswordHasher"]),
    ("E021", "CACHES", {"other": {"OPTIONS": {"IGNORE_EXCEPTIONS": True}}}),
    ("E021", "DJANGO_REDIS_IGNORE_EXCEPTIONS", True),
    ("E022", "DATABASES", database(PASSWORD="")),
    ("E022", "DATABASES", database(PASSWORD="a")),
    ("E022", "DATABASES", database(PASSWORD="Postgres")),
    ("E023", "FORWARDED_ALLOW_IPS", "127.0.0.1, *"),
    ("E023", "FORWARDED_ALLOW_IPS", "0.0.0.0/0"),
    ("E023", "FORWARDED_ALLOW_IPS", "::/0"),
    ("E024", "REST_FRAMEWORK", {}),
    ("E024", "REST_FRAMEWORK", {"DEFAULT_RENDERER_CLASSES": [BROWSABLE]}),
    ("E025", "LOGIN_LIMIT_PER_ADDRESS", "0/60"),
    ("E025", "LOGIN_LIMIT_PER_ADDRESS", 0),
    ("E025", "LOGIN_LIMIT_PER_ADDRESS", None),
    ("E025", "LIMITS", {"LOGIN_LIMIT_GLOBAL": "0/60"}),
]


@pytest.fixture
def production(monkeypatch):
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
