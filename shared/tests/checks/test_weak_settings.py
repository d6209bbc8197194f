"""No setting that weakens something is without a rule (OPS-01)."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nginx.render import SETTINGS as GATEWAY_SETTINGS
from shared.limits.defaults import DEFAULTS
from shared.tests.production_settings import RANDOM
from shared.tests.weak_settings import FREE, GATEWAY, RULES

ROOT = Path(__file__).parents[3]
SAFE = {
    "ENVIRONMENT": "production",
    "ENV_FILE": "/dev/null",
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "SECRET_KEY": f"{RANDOM}-x",
    "ALLOWED_HOSTS": "memo.example",
    "DATABASE_URL": "postgres://a@db/a",
    "DATABASE_PASSWORD": RANDOM,
    "MIGRATION_DATABASE_PASSWORD": RANDOM,
    "REDIS_URL": "redis://a@redis:6379",
    "REDIS_PASSWORD": RANDOM,
    "JWT_ISSUER": "https://memo.example",
    "JWT_PUBLIC_KEYS_DIR": "keys",
    "JWT_PRIVATE_KEYS_DIR": "keys",
    "FACTOR_KEYS_DIR": "keys",
    "INTERNAL_API_KEYS": f"auth={RANDOM},users={RANDOM}",
    "AUTH_SERVICE_URL": "http://auth:8000",
    "AUTH_SERVICE_API_KEY": RANDOM.swapcase(),
    "USERS_SERVICE_URL": "http://users:8000",
    "USERS_SERVICE_API_KEY": RANDOM.swapcase(),
    "MAIL_FROM": "memo@memo.example",
}
# Reads the settings of a service again and again, each time with one other value.
REFUSALS = """
import json, os, sys
from django.conf import Settings, settings
from django.core.exceptions import ImproperlyConfigured
from shared.checks import refuse_unsafe

def refusal(name, value):
    os.environ.clear()
    os.environ.update(safe, **{name: value})
    if name == "MIGRATION_DATABASE_PASSWORD":
        os.environ["MIGRATION_DATABASE_URL"] = safe["DATABASE_URL"]
    for module in ("config.settings", "shared.settings"):
        sys.modules.pop(module, None)
    try:
        settings._wrapped = Settings("config.settings")
        refuse_unsafe("settings")
    except ImproperlyConfigured as exc:
        return str(exc)

safe = dict(os.environ)
print(json.dumps([refusal(*pair) for pair in json.load(sys.stdin)]))
"""
ENCRYPTED = [
    ("DATABASE_URL", "postgres://a@db.example/a?sslmode=verify-full"),
    ("REDIS_URL", "rediss://a@redis.example:6379"),
]
USERS_ALONE = {
    *DEFAULTS,
    "PASSWORD_MIN_SCORE",
    *(name for name, (_, rule) in RULES.items() if rule in ("E031", "E032")),
    "JWT_JWKS_URL",
    "AUTH_SERVICE_URL",
    "AUTH_SERVICE_API_KEY",
    "WEBAUTHN_ORIGINS",
    "SECRET_KEY_FALLBACKS",
}
AUTH_ALONE = {"REFRESH_TOKEN_LIFETIME", "SESSION_ABSOLUTE_LIFETIME"}
AUTH_ALONE |= {"REFRESH_REUSE_LEEWAY", "USERS_SERVICE_URL", "USERS_SERVICE_API_KEY"}


def rules_broken(service, settings):
    """By each of these settings alone, in a production that is safe without it."""
    done = subprocess.run(
        [sys.executable, "-c", REFUSALS],
        cwd=ROOT / f"{service}_project",
        env=SAFE | {"PATH": os.environ["PATH"], "PYTHONPATH": f".:{ROOT}"},
        input=json.dumps(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return [refusal and re.findall(r"memo\.(\w+)", refusal) for refusal in found]


def test_every_documented_setting_has_a_rule_or_a_reason():
    pages = (ROOT / "docs" / name for name in ("configuration.md", "rate-limiting.md"))
    text = "\n".join(page.read_text() for page in pages)
    documented = set(re.findall(r"^(?:### |\| )`([A-Z][A-Z0-9_]+)`", text, re.M))

    assert {*RULES, *GATEWAY, *FREE} == documented
    assert len(RULES) + len(GATEWAY) + len(FREE) == len(documented)


@pytest.mark.parametrize(
    ("service", "other"), [("auth", USERS_ALONE), ("users", AUTH_ALONE)]
)
def test_a_value_that_weakens_is_refused_by_its_rule_alone(service, other):
    """A production with TLS to its stores may start."""
    rules = {(n, text): [rule] for n, (text, rule) in RULES.items() if n not in other}
    rules |= dict.fromkeys(ENCRYPTED)

    found = rules_broken(service, [*rules])
    assert dict(zip(rules, found, strict=True)) == rules


@pytest.mark.parametrize(("name", "text"), GATEWAY.items())
def test_the_gateway_is_not_rendered_with_it(name, text):
    with pytest.raises(ValueError, match=r".+"):
        GATEWAY_SETTINGS[name][1](text)
