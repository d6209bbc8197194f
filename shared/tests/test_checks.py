"""System checks: each by its id, silent where nothing is wrong."""

from importlib import metadata

import pytest
from django.core import checks

from shared.checks import (
    MINIMUM_VERSIONS,
    check_keys,
    check_settings,
    check_spelling,
    check_versions,
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
    every = (check_settings, check_keys, check_spelling, check_versions)

    assert [ids(check(None)) for check in every] == [[]] * 4


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


def test_a_service_with_the_address_of_a_key_set_needs_no_folder(settings):
    settings.JWT_JWKS_URL = "https://memo.example/.well-known/jwks.json"
    settings.JWT_PUBLIC_KEYS_DIR = None

    assert ids(check_keys(None)) == []


def test_a_start_is_refused_with_a_key_that_would_be_left_out(pair):
    """What runs goes on without a bad file; what starts says that there is one."""
    (pair / "public" / "bad.pem").write_text("x")

    (message,) = check_keys(None)

    assert message.id == "memo.E003"
    assert "bad.pem" in message.msg


def test_a_private_key_is_the_issuers_alone(pair, settings):
    """A resource service has no setting for one, and needs none."""
    del settings.JWT_PRIVATE_KEYS_DIR

    assert ids(check_keys(None)) == []


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

    messages = check_keys(None)

    assert ids(messages) == ([] if mode == 0o600 else ["memo.E003"])


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
    told = f"{written}, did you mean {meant}?"
    assert not meant or told in messages[0].msg
