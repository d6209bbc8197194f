"""Who is asked for a factor, and who must have one."""

from types import SimpleNamespace

import pytest

from users.diagnostics import missing_factor_roles
from users.factors import policy
from users.models import Role

TOTP = '["totp", null, null, null]'
PASSKEY = '["passkey", "\\\\x00ff", ["usb"], null]'
SUSPECT = '["passkey", "\\\\x0bad", ["usb"], "2026-01-01T00:00:00+00:00"]'


def user(*rows, codes=False, roles=()):
    return SimpleNamespace(
        **{"pk": 1, "password_epoch": 0, "session_epoch": 0, "roles": list(roles)},
        **{"factor_rows": list(rows), "has_recovery_code": codes},
    )


@pytest.mark.parametrize("site", ["api", "admin"])
@pytest.mark.parametrize(
    ("mode", "roles", "required"),
    [
        ("optional", [], False),
        ("optional", ["clerk"], False),
        ("optional", ["clerk", "finance"], True),
        ("required", [], True),
        ("off", ["finance"], False),
    ],
)
def test_the_mode_and_the_roles_decide(settings, site, mode, roles, required):
    settings.SECOND_FACTOR_ROLES = ["finance"]
    settings.SECOND_FACTOR = mode if site == "api" else "optional"
    settings.ADMIN_SECOND_FACTOR = mode if site == "admin" else "optional"
    someone = user(roles=roles)
    assert policy.is_required(someone, site) is required
    assert policy.is_enough(someone, "", site) is not required


def test_a_role_that_needs_a_factor_and_does_not_exist_is_noted(settings):
    Role.objects.create(name="finance")
    settings.SECOND_FACTOR_ROLES = ["finance"]
    assert missing_factor_roles() == ""
    settings.SECOND_FACTOR_ROLES = ["finance", "Finance", "clerk"]
    assert missing_factor_roles() == "Finance, clerk"


@pytest.mark.parametrize(
    ("someone", "methods"),
    [
        (user(), []),
        (user(codes=True), []),
        (user(TOTP), ["totp"]),
        (user(TOTP, PASSKEY, codes=True), ["passkey", "totp", "recovery_code"]),
        (user(TOTP, SUSPECT), ["totp"]),
        (user(SUSPECT, PASSKEY), ["passkey"]),
        (user(SUSPECT, codes=True), ["recovery_code"]),
        (user(SUSPECT), ["passkey"]),
    ],
)
def test_a_recovery_code_stands_in_for_a_factor_alone(settings, someone, methods):
    assert policy.methods(someone) == methods
    assert policy.is_enough(someone, "") is not bool(methods)
    settings.SECOND_FACTOR = "off"
    assert policy.methods(someone) == []
    assert policy.is_enough(someone, "")


def test_a_passkey_is_named_as_browsers_do_unless_it_is_suspect():
    [found] = policy.passkeys(user(TOTP, SUSPECT, PASSKEY))
    assert found == {"id": "AP8", "transports": ["usb"]}
