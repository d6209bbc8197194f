"""What must hold before the service may start, and what it says when it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

PROJECT = Path(__file__).resolve().parents[1]


def manage(*words, **env):
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARGON2_MEMORY_COST", "19455"),
        ("PASSWORD_MIN_LENGTH", "7"),
    ],
)
def test_a_weak_setting_stops_the_start_by_name(name, value):
    result = manage("check", **{name: value})
    assert result.returncode != 0
    assert f"ImproperlyConfigured: {name} is {value}" in result.stderr


def test_without_the_list_of_common_passwords_it_does_not_start():
    """ASVS 5.0 6.2.4."""
    code = (
        "from pathlib import Path; import django;"
        "from django.contrib.auth import password_validation as v;"
        "gone = Path('/nowhere/passwords.txt.gz');"
        "v.CommonPasswordValidator.__init__.__defaults__ = (gone,);"
        "django.setup()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "ImproperlyConfigured: The list of common passwords" in result.stderr


def test_without_verifying_keys_it_does_not_start():
    """Neither a folder nor the address of a key set."""
    result = manage("check", JWT_PUBLIC_KEYS_DIR="", JWT_JWKS_URL="")
    assert result.returncode != 0
    assert "ImproperlyConfigured: JWT_PUBLIC_KEYS_DIR is empty." in result.stderr


def test_the_address_of_a_key_set_will_do_and_counts_more_than_a_folder():
    url = "https://memo.example/.well-known/jwks.json"
    show = "from django.conf import settings as s; print(s.JWT_PUBLIC_KEYS_DIR)"
    result = manage("shell", "--no-imports", "-c", show, JWT_JWKS_URL=url)
    assert result.stdout.strip() == "None", result.stderr
    assert manage("check", JWT_JWKS_URL=url, JWT_PUBLIC_KEYS_DIR="").returncode == 0


def test_the_checks_of_a_deployment_are_clean():
    env = {"COOKIE_SECURE": "true", "DEBUG": "false", "ENVIRONMENT": "production"}
    env |= {"JWT_ISSUER": "https://memo.example", "ALLOWED_HOSTS": "memo.example"}
    result = manage("check", "--deploy", "--fail-level", "WARNING", **env)
    assert result.returncode == 0, result.stderr


@pytest.mark.django_db
def test_the_migrations_are_complete():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_example_names_every_variable_that_is_needed():
    example = (PROJECT / ".env.example").read_text()
    names = {line.partition("=")[0] for line in example.splitlines() if "=" in line}
    for name in ("SECRET_KEY_FILE", "DATABASE_URL", "REDIS_URL", "JWT_PUBLIC_KEYS_DIR"):
        assert name in names
    assert names >= {
        "INTERNAL_API_KEYS_FILE",
        "AUTH_SERVICE_URL",
        "PASSWORD_MIN_LENGTH",
    }
