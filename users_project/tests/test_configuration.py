"""What must hold before the service may start, and what it says when it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from shared.ratelimit_defaults import DEFAULTS

PROJECT = Path(__file__).resolve().parents[1]


def python(*words, **env):
    return subprocess.run(
        [sys.executable, *words],
        cwd=PROJECT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("ARGON2_TIME_COST", "1", "is 1"),
        ("PASSWORD_MIN_LENGTH", "7", "is 7"),
        ("PASSWORD_MIN_SCORE", "5", "must be 0 to 4"),
    ],
)
def test_a_weak_setting_stops_the_start_by_name(name, value, refusal):
    result = python("manage.py", "check", **{name: value})
    assert result.returncode != 0
    assert f"ImproperlyConfigured: {name} {refusal}" in result.stderr


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


def test_without_the_list_of_common_passwords_it_does_not_start():
    """ASVS 5.0 6.2.4."""
    code = (
        "from pathlib import Path; import django;"
        "from django.contrib.auth import password_validation as v;"
        "gone = Path('/nowhere/passwords.txt.gz');"
        "v.CommonPasswordValidator.__init__.__defaults__ = (gone,);"
        "django.setup()"
    )
    result = python("-c", code, DJANGO_SETTINGS_MODULE="config.settings")
    assert result.returncode != 0
    assert "ImproperlyConfigured: The list of common passwords" in result.stderr


def test_the_checks_of_a_deployment_are_clean():
    """With the address of a key set, which counts more than a folder."""
    env = {"COOKIE_SECURE": "true", "DEBUG": "false", "ENVIRONMENT": "production"}
    env |= {"JWT_ISSUER": "https://memo.example", "ALLOWED_HOSTS": "memo.example"}
    env |= {"JWT_JWKS_URL": "https://memo.example/.well-known/jwks.json"}
    env |= DEFAULTS  # the stack of the suites has none
    words = ("check", "--deploy", "--fail-level", "WARNING")
    result = python("manage.py", *words, **env, JWT_PUBLIC_KEYS_DIR="")
    assert result.returncode == 0, result.stderr


def test_the_migrations_are_complete():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
