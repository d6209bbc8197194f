"""Checks of keys and secrets: SECRET_KEY, API keys, the keys of tokens."""

import os
import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register

from shared.auth.api_keys import MINIMUM_KEY_LENGTH
from shared.checks.messages import SETTINGS, faults
from shared.keys import key_store, signing_keys
from shared.keys.signing_keys import RECOMMENDED_BITS

MINIMUM_SECRET_KEY = 50  # characters, as in Django's own check
# 43 random characters of base64 have about 31 different ones, and never under 20.
MINIMUM_DIFFERENT_CHARACTERS = 16
EXAMPLE = re.compile(
    "change.?me|change.?this|example|sample|placeholder|insecure|replace.?me|"
    "your.?(api|secret|key)|not.?(a.)?secret",
    re.IGNORECASE,
)


@register(Tags.security, SETTINGS)
def check_settings(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    accepted, presented = settings.INTERNAL_API_KEYS, presented_keys()
    short = [f"of {name}" for name, k in accepted if len(k) < MINIMUM_KEY_LENGTH]
    short += [name for name, k in presented.items() if 0 < len(k) < MINIMUM_KEY_LENGTH]
    shared = {key for _, key in accepted} & set(presented.values())
    claims = ("JWT_ISSUER", "JWT_AUDIENCE")
    yield from faults("E001", short)
    yield from faults("E002", bool(shared))
    yield from faults("E005", [name for name in claims if not getattr(settings, name)])
    yield from faults("E006", [host for host in settings.ALLOWED_HOSTS if "_" in host])


@register(Tags.security)
def check_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A running service continues without a bad key file. A start is stricter."""
    if settings.JWT_JWKS_URL:
        return []
    private = getattr(settings, "JWT_PRIVATE_KEYS_DIR", None)
    try:
        public = signing_keys.load_public_keys(Path(settings.JWT_PUBLIC_KEYS_DIR))
        wrong = list(private_key_faults(private, public)) if private else []
    except signing_keys.KeyFault as exc:
        return faults("E003", [str(exc).rstrip(".")])
    small = [k for k, key in public.items() if key.key.key_size < RECOMMENDED_BITS]
    return faults("E003", wrong) + faults("W004", small)


def private_key_faults(folder: Path, public: Container[str]) -> Iterator[str]:
    """The faults of the private keys of the service that signs. Raises KeyFault."""
    if signing_keys.load_signing_key(folder).kid not in public:
        yield "the public half of the signing key is missing"
    for path in key_store.pem_files(folder).values():
        found = path.stat()
        # Kubernetes gives a mounted Secret to root, and lets the pod's group read it.
        is_ours = found.st_uid == os.geteuid()
        if found.st_mode & (0o077 if is_ours else 0o037):
            yield f"others can read {path}, use chmod 400"


@register(Tags.security, SETTINGS, deploy=True)
def check_secrets(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    yield from faults("E011", weak_secret_keys())
    yield from faults("E013", weak_api_keys())


def weak_secret_keys() -> Iterator[str]:
    """Settings with a secret key that is short, or looks typed or copied."""
    older = getattr(settings, "LINK_KEY_FALLBACKS", [])  # of the User Service alone
    keys = {"SECRET_KEY": [settings.SECRET_KEY], "SECRET_KEY_FALLBACKS": older}
    for name, values in keys.items():
        if any(len(key) < MINIMUM_SECRET_KEY or is_example(key) for key in values):
            yield name


def is_example(secret: str) -> bool:
    """Whether a secret looks typed or copied from a page, and so is not random."""
    few = len(set(secret)) < MINIMUM_DIFFERENT_CHARACTERS
    return few or bool(EXAMPLE.search(secret))


def presented_keys() -> dict[str, str]:
    """The keys that this service presents to those it calls, by setting."""
    urls = [name for name in dir(settings) if name.endswith("_SERVICE_URL")]
    called = [name.removesuffix("URL") for name in urls if getattr(settings, name)]
    names = map("{}API_KEY".format, called)
    return {name: getattr(settings, name) for name in names if hasattr(settings, name)}


def weak_api_keys() -> Iterator[str]:
    """Settings with a missing or weak key, of expected callers or called services."""
    accepted = settings.INTERNAL_API_KEYS
    missing = set(getattr(settings, "EXPECTED_CALLERS", ())) - {c for c, _ in accepted}
    if missing or any(is_example(key) for _, key in accepted):
        yield "INTERNAL_API_KEYS"
    yield from (name for name, key in presented_keys().items() if is_example(key))
