"""Which routes there are, and what the start refuses."""

import pytest

from tests.test_configuration import python

SHOW = """
import django
django.setup()
from django.conf import settings
from django.urls import Resolver404, resolve
found = settings.EMAIL_VERIFICATION
for path in ("verify_email", "password_reset", "me/change_email", "me"):
    try:
        found += f" {resolve('/api/v1/users/' + path).func.view_class.__name__}"
    except Resolver404:
        found += " -"
print(found)
"""
MAIL = "smtp://memo@mail.example.org:587?tls=starttls"
ALL = "VerifyEmailView PasswordResetView ChangeEmailView MeView"
NONE = "- - - MeView"


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ("development", "", f"off {ALL}"),
        ("development", MAIL, f"optional {ALL}"),
        ("production", "", f"off {NONE}"),
        ("production", MAIL, f"required {ALL}"),
    ],
)
def test_the_default_follows_mail_and_environment(environment, url, expected):
    env = {"ENVIRONMENT": environment, "MAIL_URL": url, "MAIL_FROM": "memo@example.org"}
    env |= {"MAIL_PASSWORD": "x", "PYTHONWARNINGS": "ignore"}
    env["DJANGO_SETTINGS_MODULE"] = "config.settings"
    done = python("-c", SHOW, **env)
    assert done.stdout.strip().splitlines()[-1:] == [expected], done.stderr


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"EMAIL_VERIFICATION": "maybe"}, "takes one of: off, optional, required"),
        (
            {"EMAIL_VERIFICATION": "required", "ENVIRONMENT": "production"},
            "EMAIL_VERIFICATION needs MAIL_URL",
        ),
    ],
)
def test_a_mode_that_cannot_be_stops_the_start(env, message):
    result = python("manage.py", "check", **{"MAIL_URL": "", **env})
    assert result.returncode != 0
    assert message in result.stderr
