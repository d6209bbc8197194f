"""System checks: each by its id, silent where all is well."""

import django
import jwt
import pytest
import rest_framework
from django.core import checks

from shared import keys
from shared.checks import (
    check_api_keys,
    check_hosts,
    check_keys,
    check_names,
    check_versions,
)


@pytest.fixture
def pair(tmp_path, settings):
    """The settings of a service that signs, with a pair of 3072 bits."""
    keys.generate(tmp_path)
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"
    return tmp_path


def ids(messages):
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def test_a_service_that_is_set_up_has_nothing_to_say(pair):
    every = (check_api_keys, check_keys, check_names, check_hosts, check_versions)

    assert [ids(check(None)) for check in every] == [[]] * 5


def test_the_checks_are_registered(settings, tmp_path):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path
    settings.JWT_ISSUER = ""
    settings.ALLOWED_HOSTS = ["a_b"]

    found = ids(checks.run_checks(tags=[checks.Tags.security]))

    assert {"memo.E003", "memo.E005", "memo.E006"} <= set(found)


@pytest.mark.parametrize(("length", "found"), [(42, ["memo.E001"]), (43, [])])
def test_a_short_api_key_is_named_by_its_caller(settings, length, found):
    settings.INTERNAL_API_KEYS = [("auth", "k" * length)]

    messages = check_api_keys(None)

    assert ids(messages) == found
    assert not found or "auth" in messages[0].msg
    assert "k" * length not in str(messages)


@pytest.mark.parametrize("name", ["AUTH_SERVICE_API_KEY", "USERS_SERVICE_API_KEY"])
def test_a_key_is_not_used_in_both_directions(settings, name):
    settings.INTERNAL_API_KEYS = [("auth", "k" * 50)]
    setattr(settings, name, "k" * 50)

    assert ids(check_api_keys(None)) == ["memo.E002"]


def test_no_keys_are_no_common_key(settings):
    settings.INTERNAL_API_KEYS = []
    settings.AUTH_SERVICE_API_KEY = settings.USERS_SERVICE_API_KEY = ""

    assert ids(check_api_keys(None)) == []


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
    keys.generate(other, bits=2048)
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
    kid = keys.generate(tmp_path, bits=2048)
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"

    (message,) = check_keys(None)

    assert (message.id, message.level) == ("memo.W004", checks.WARNING)
    assert kid in message.msg


@pytest.mark.parametrize("name", ["JWT_ISSUER", "JWT_AUDIENCE"])
def test_an_empty_name_is_an_error(settings, name):
    setattr(settings, name, "")

    (message,) = check_names(None)

    assert message.id == "memo.E005"
    assert name in message.msg


def test_a_host_with_an_underscore_is_an_error(settings):
    """S2S-10."""
    settings.ALLOWED_HOSTS = ["users", "users_service"]

    (message,) = check_hosts(None)

    assert message.id == "memo.E006"
    assert "users_service" in message.msg


@pytest.mark.parametrize(
    ("module", "name", "version", "found"),
    [
        (jwt, "__version__", "2.15.0", ["memo.E007"]),
        (jwt, "__version__", "2.15.1", []),
        (jwt, "__version__", "2.16.0", []),
        (jwt, "__version__", "3.0", []),
        (rest_framework, "VERSION", "3.18.1", ["memo.E007"]),
        (rest_framework, "VERSION", "3.19.0", []),
        (django, "__version__", "5.1.30", ["memo.E007"]),
        (django, "__version__", "5.2.100", []),
        (django, "__version__", "6.0a1", []),
    ],
)
def test_a_package_with_known_holes_is_an_error(
    monkeypatch, module, name, version, found
):
    monkeypatch.setattr(module, name, version)

    assert ids(check_versions(None)) == found
