"""System checks: what is wrong with a service's settings, by id, with a hint."""

import re
from collections.abc import Container
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from shared import production
from shared.catalogue import CATALOGUE
from shared.keys import key_state, signing_keys
from shared.production import ALWAYS_WRONG

# By the names of the distributions; older ones have holes that reach us.
FLOORS = {
    "Django": (5, 2, 19),
    "djangorestframework": (3, 18, 2),
    "djangorestframework-simplejwt": (5, 5, 1),
    "PyJWT": (2, 15, 1),
    "gunicorn": (27,),
    "redis": (8,),
    "django-redis": (7,),
}
# Read by gunicorn.conf.py, the migrate step or our scripts, not by the settings.
READ_ELSEWHERE = {"WORKER_TMP_DIR"}
# Of any other service there may be (shared.clients knows but two).
OF_A_SERVICE = re.compile(r"[A-Z][A-Z0-9_]*_SERVICE_(URL|API_KEY|API_KEY_FILE)")
NEAR = 0.84  # difflib's ratio: one letter of six, two of thirteen


def message(identity: str, text: str) -> CheckMessage:
    """What was found, with the hint that goes with its id."""
    kind = Error if identity.startswith("memo.E") else Warning
    return kind(text, hint=CATALOGUE[identity].hint, id=identity)


@register(Tags.security)
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What is wrong anywhere: API keys, issuer and audience, host names."""
    found = production.faults(settings)
    return [message(i, text) for i, text in found.items() if i in ALWAYS_WRONG]


@register(Tags.security, deploy=True)
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """`check --deploy`, in development too: what production would refuse."""
    found = production.faults(settings)
    return [message(i, text) for i, text in found.items() if i not in ALWAYS_WRONG]


@register(Tags.security)
def check_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The JWT keys of a folder: readable, of a good size, halves that belong together.

    Stricter than what serves: a service starts with no bad key, and goes on with one.
    """
    if settings.JWT_JWKS_URL:
        return []
    try:
        public = signing_keys.load_public_keys(Path(settings.JWT_PUBLIC_KEYS_DIR))
        check_private_keys(getattr(settings, "JWT_PRIVATE_KEYS_DIR", None), public)
    except signing_keys.KeyFault as exc:
        return [message("memo.E003", str(exc))]
    small = [
        k
        for k, key in public.items()
        if key.key.key_size < signing_keys.RECOMMENDED_BITS
    ]
    if small:
        text = (
            f"RSA keys under {signing_keys.RECOMMENDED_BITS} bits: {', '.join(small)}."
        )
        return [message("memo.W004", text)]
    return []


def check_private_keys(folder: Path | None, public: Container[str]) -> None:
    """Those of the one service that signs. Raises KeyFault."""
    if folder is None:
        return
    if signing_keys.load_signing_key(folder).kid not in public:
        raise signing_keys.KeyFault("The public half of the signing key is missing.")
    for path in key_state.pem_files(folder).values():
        if path.stat().st_mode & 0o077:
            raise signing_keys.KeyFault(f"{path} may be read by others: chmod 400.")


@register(Tags.compatibility)
def check_versions(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Packages older than these have known holes that reach us (SECURITY 0.1)."""
    installed = {name: metadata.version(name) for name in FLOORS}
    return [
        message(
            "memo.E007",
            f"{name} {version} has known vulnerabilities: "
            f"at least {'.'.join(map(str, FLOORS[name]))}.",
        )
        for name, version in installed.items()
        if tuple(int(n) for n in re.findall(r"\d+", version)[:3]) < FLOORS[name]
    ]


@register(Tags.security)
def check_spelling(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Names in the `.env` file that nothing reads: a default holds in their place."""
    names = settings.ENV_FILE_NAMES
    known = names.known | READ_ELSEWHERE
    near = {
        name: get_close_matches(name.upper(), known, n=1, cutoff=NEAR)
        for name in sorted(names.written - known)
        if not OF_A_SERVICE.fullmatch(name)
    }
    return [
        message("memo.W008", f"{name} is not read. {found[0]} would be.")
        for name, found in near.items()
        if found
    ]
