"""System checks: what is wrong with a service's settings, by id, with a hint."""

import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from shared import keys, keystate
from shared.apikeys import MINIMUM_KEY_LENGTH

FLOORS = {"jwt": (2, 15, 1), "rest_framework": (3, 18, 2), "django": (5, 2, 19)}


@register(Tags.security)
def check_api_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Internal API keys: long enough, and not the one this service presents."""
    weak = [c for c, key in settings.INTERNAL_API_KEYS if len(key) < MINIMUM_KEY_LENGTH]
    accepted = {key for _, key in settings.INTERNAL_API_KEYS}
    presented = {
        getattr(settings, name, "")
        for name in ("USERS_SERVICE_API_KEY", "AUTH_SERVICE_API_KEY")
    }
    problems: list[CheckMessage] = []
    if weak:
        problems.append(
            Error(
                f"INTERNAL_API_KEYS: the key of {', '.join(weak)} is too short.",
                hint="256 random bits: python -c 'import secrets; "
                "print(secrets.token_urlsafe(32))'",
                id="memo.E001",
            )
        )
    if accepted & presented:
        problems.append(
            Error(
                "INTERNAL_API_KEYS accepts the key this service itself presents.",
                hint="Each direction has a key of its own.",
                id="memo.E002",
            )
        )
    return problems


@register(Tags.security)
def check_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The JWT keys of a folder: readable, of a good size, halves that belong together.

    Stricter than what serves: a service starts with no bad key, and goes on with one.
    """
    if settings.JWT_JWKS_URL:
        return []
    try:
        public = keys.load_public_keys(Path(settings.JWT_PUBLIC_KEYS_DIR))
        check_private_keys(getattr(settings, "JWT_PRIVATE_KEYS_DIR", None), public)
    except keys.KeyFault as exc:
        hint = "python -m shared.keys check FOLDER"
        return [Error(str(exc), hint=hint, id="memo.E003")]
    small = [k for k, key in public.items() if key.key.key_size < keys.RECOMMENDED_BITS]
    if small:
        return [
            Warning(
                f"RSA keys under {keys.RECOMMENDED_BITS} bits: {', '.join(small)}.",
                hint="python -m shared.keys generate FOLDER",
                id="memo.W004",
            )
        ]
    return []


def check_private_keys(folder: Path | None, public: Container[str]) -> None:
    """Those of the one service that signs. Raises KeyFault."""
    if folder is None:
        return
    if keys.load_signing_key(folder).kid not in public:
        raise keys.KeyFault("The public half of the signing key is missing.")
    for path in keystate.pem_files(folder).values():
        if path.stat().st_mode & 0o077:
            raise keys.KeyFault(f"{path} may be read by others: chmod 400.")


@register(Tags.security)
def check_names(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Issuer and audience: set, since every token is checked against them."""
    return [
        Error(f"{name} is empty.", hint=f"Set {name}.", id="memo.E005")
        for name in ("JWT_ISSUER", "JWT_AUDIENCE")
        if not getattr(settings, name)
    ]


@register(Tags.security)
def check_hosts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Host names: Django refuses those with an underscore, with a page of HTML."""
    return [
        Error(
            f"The host {host} has an underscore.",
            hint="RFC 1123 has none; Django answers 400. Rename it.",
            id="memo.E006",
        )
        for host in settings.ALLOWED_HOSTS
        if "_" in host
    ]


@register(Tags.compatibility)
def check_versions(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Packages older than these have known holes that reach us."""
    import django
    import jwt
    import rest_framework

    installed = {
        "jwt": jwt.__version__,
        "rest_framework": rest_framework.VERSION,
        "django": django.__version__,
    }
    return [
        Error(
            f"{name} {version} has known vulnerabilities.",
            hint=f"At least {'.'.join(map(str, FLOORS[name]))}.",
            id="memo.E007",
        )
        for name, version in installed.items()
        if tuple(int(n) for n in re.findall(r"\d+", version)[:3]) < FLOORS[name]
    ]
