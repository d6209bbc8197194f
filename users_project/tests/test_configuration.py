"""What must hold before the service may start, and what it says when it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth import hashers, password_validation
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured

from tests.settings_reader import read_settings

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture
def start(monkeypatch):
    """Calls do what a start does, with the settings as they are, and keep nothing."""
    for module, name in (
        (hashers, "get_hashers"),
        (password_validation, "get_default_password_validators"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name).__wrapped__)
    return apps.get_app_config("users").ready


def test_djangos_cache_has_keys_that_the_service_may_write():
    """For views of your own, and for the throttles of DRF."""
    cache.set("test of the cache", "x", 5)
    assert cache.get("test of the cache") == "x"
    cache.delete("test of the cache")


@pytest.mark.parametrize(
    ("name", "value"), [("ARGON2_TIME_COST", 1), ("PASSWORD_MIN_LENGTH", 7)]
)
def test_a_weak_setting_stops_the_start_by_name(settings, start, name, value):
    start()
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=f"{name} is {value}"):
        start()


@pytest.mark.parametrize(
    ("name", "value", "limits"),
    [
        ("PASSWORD_MIN_SCORE", "5", "0 to 4"),
        # No mail would arrive before, or it would be purged.
        ("FACTOR_RESET_DELAY", "3599", "3600 to 2419200"),
        ("FACTOR_RESET_DELAY", "2419201", "3600 to 2419200"),
    ],
)
def test_a_number_that_cannot_be_stops_the_start_by_name(name, value, limits):
    fault = f"{name} must be a whole number from {limits}"
    with pytest.raises(ImproperlyConfigured, match=fault):
        read_settings(**{name: value})


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://localhost:80", "http://localhost"),
        ("https://Memo.example:443/", "https://memo.example"),
        ("https://memo.example:8443/memo", "https://memo.example:8443"),
    ],
)
def test_passkeys_work_at_the_origin_that_a_browser_sends(url, origin):
    """PK-01. Authenticators sign it as a text: in lower case, without default port."""
    found = read_settings(PUBLIC_URL=url)
    assert found["WEBAUTHN_ORIGINS"] == [origin]
    assert found["WEBAUTHN_RP_ID"] in ("localhost", "memo.example")


def test_without_the_list_of_common_passwords_it_does_not_start(start, monkeypatch):
    """ASVS 5.0 6.2.4."""
    find = password_validation.CommonPasswordValidator.__init__
    monkeypatch.setattr(find, "__defaults__", (Path("/nowhere/passwords.txt.gz"),))
    with pytest.raises(ImproperlyConfigured, match="Django's list of common passwords"):
        start()


def test_all_settings_that_are_missing_are_in_one_line(tmp_path):
    given = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given |= {"ENV_FILE": str(tmp_path / "none")}
    command = [sys.executable, "manage.py", "migrate", "--check"]
    done = subprocess.run(
        command, cwd=PROJECT, env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr == (
        "ImproperlyConfigured: These settings are missing: SECRET_KEY, ALLOWED_HOSTS, "
        "DATABASE_URL, REDIS_URL, JWT_ISSUER, JWT_JWKS_URL or JWT_PUBLIC_KEYS_DIR, "
        "FACTOR_KEYS_DIR, AUTH_SERVICE_URL, AUTH_SERVICE_API_KEY.\n"
    )
