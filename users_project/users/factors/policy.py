"""Which factors a user has, and when one is asked for. A `user` here was found with
factors (`UserManager.find`)."""

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from webauthn.helpers import bytes_to_base64url

from shared.auth import device_cookie
from users.factors.models import Factor, Type


def mode(site: str) -> str:
    """The mode that the settings give `admin`, or every other site."""
    is_admin = site == "admin"
    text: str = settings.ADMIN_SECOND_FACTOR if is_admin else settings.SECOND_FACTOR
    return text


def is_required(user: Any, site: str = "api") -> bool:
    """Whether the user must have a factor: by the mode of the site, by that of all
    users, or by a role. If the mode of the site is `off`, no user must."""
    by_role = not set(settings.SECOND_FACTOR_ROLES).isdisjoint(user.roles)
    is_asked = by_role or "required" in (mode(site), settings.SECOND_FACTOR)
    return is_asked and mode(site) != "off"


def methods(user: Any, site: str = "api") -> list[str]:
    """The kinds of factors that the user can give. With only suspect passkeys this is
    still `passkey`, though it is refused: a password alone must not become enough."""
    if not user.factor_rows or mode(site) == "off":
        return []
    has = {kind for kind, *_ in usable(user)}
    found = [kind for kind in (Type.PASSKEY, Type.TOTP) if kind in has]
    return [*found, *["recovery_code"] * user.has_recovery_code] or [Type.PASSKEY]


def passkeys(user: Any) -> list[dict[str, Any]]:
    """The list by which browsers find the passkeys (WebAuthn, allowCredentials)."""
    return [
        # PostgreSQL writes a bytea into JSON as `\\x` and digits.
        {"id": bytes_to_base64url(bytes.fromhex(hexadecimal[2:])), "transports": among}
        for kind, hexadecimal, among in usable(user)
        if kind == Type.PASSKEY
    ]


def usable(user: Any) -> list[list[Any]]:
    """Type, credential id and transports of each factor that is not suspect."""
    rows = map(json.loads, user.factor_rows)
    return [columns for *columns, suspect_at in rows if suspect_at is None]


def summary(user: Any) -> dict[str, Any]:
    """What the Auth Service has to know to ask for a factor."""
    return {
        "methods": methods(user),
        "passkeys": passkeys(user) if methods(user) else [],
        "required": is_required(user),
    }


def is_enough(user: Any, device: str, site: str = "api") -> bool:
    """Whether the right password alone logs the user in."""
    if methods(user, site):
        return may_trust(site) and device_cookie.is_trusted(device, user)
    return not is_required(user, site)


def must_keep_one(user: Any) -> bool:
    """Whether the user may not remove the last factor: a site that they may log in to
    requires one."""
    return is_required(user) or (user.is_staff and is_required(user, "admin"))


def usable_passkeys(user: Any) -> int:
    """How many passkeys log in without a password. A suspect one is refused."""
    return Factor.objects.filter(user=user, type=Type.PASSKEY, suspect_at=None).count()


def may_trust(site: str) -> bool:
    """Whether a trusted device replaces a factor: not in an admin that requires one."""
    return site != "admin" or mode(site) != "required"


def admits(user: Any, amr: Sequence[str]) -> bool:
    """Whether a session of the admin that was opened by these methods may continue. It
    may be older than the policy. `user` has roles."""
    if not is_required(user, "admin") or "mfa" in amr:
        return True
    return "rba" in amr and may_trust("admin")
