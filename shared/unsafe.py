"""The single rules of OPS-01: each looks at the settings and says whether it is broken,
or names those that break it. Without any I/O, and without a word of a secret."""

import re
from collections.abc import Iterator
from typing import Any

from shared.auth.api_keys import MINIMUM_KEY_LENGTH
from shared.keys.signing_keys import ALGORITHM, ALGORITHMS

PRESENTED = ("AUTH_SERVICE_API_KEY", "USERS_SERVICE_API_KEY")

MINIMUM_SECRET_KEY = 50  # characters, as Django's own check has it
# Of 43 random characters of base64 some 31 are different, under 20 in no lifetime.
FEWEST_CHARACTERS = 16
SAMPLE = re.compile(
    "change.?me|change.?this|example|sample|placeholder|insecure|replace.?me|"
    "your.?(api|secret|key)|not.?(a.)?secret",
    re.IGNORECASE,
)
ISSUER = re.compile(r"https://[^/?#\s]+(/[^?#\s]*)?")  # RFC 8414 section 2
USUAL_PASSWORDS = {"postgres", "postgresql", "password", "secret", "admin", "root"}
USUAL_PASSWORDS |= {"changeme", "change-me", "example", "test", "memo", "123456"}
FAST_HASHES = ("MD5", "SHA1", "UnsaltedMD5", "UnsaltedSHA1")
BROWSABLE = ("BrowsableAPIRenderer", "AdminRenderer")
RATE_LIMIT = re.compile(r"[A-Z0-9_]+_LIMIT_[A-Z0-9_]+")


def is_sample(secret: str) -> bool:
    """Whether somebody typed it, or copied it from a page: random text it is not."""
    return bool(SAMPLE.search(secret)) or len(set(secret)) < FEWEST_CHARACTERS


def presented(settings: Any) -> dict[str, str]:
    """The keys of the services that are called, by setting."""
    return {
        name: getattr(settings, name)
        for name in PRESENTED
        if getattr(settings, name.replace("_API_KEY", "_URL"), "")
    }


def short_api_keys(settings: Any) -> Iterator[str]:
    for caller, key in settings.INTERNAL_API_KEYS:
        if len(key) < MINIMUM_KEY_LENGTH:
            yield f"that of {caller} in INTERNAL_API_KEYS"
    for name, key in presented(settings).items():
        if 0 < len(key) < MINIMUM_KEY_LENGTH:
            yield name


def is_one_key_for_both(settings: Any) -> bool:
    accepted = {key for _, key in settings.INTERNAL_API_KEYS}
    return bool(accepted & set(presented(settings).values()))


def empty_names(settings: Any) -> list[str]:
    names = ("JWT_ISSUER", "JWT_AUDIENCE")
    return [name for name in names if not getattr(settings, name)]


def hosts_with_underscore(settings: Any) -> list[str]:
    return [host for host in settings.ALLOWED_HOSTS if "_" in host]


def has_weak_secret_key(settings: Any) -> bool:
    key = settings.SECRET_KEY
    return len(key) < MINIMUM_SECRET_KEY or is_sample(key)


def is_no_issuer(settings: Any) -> bool:
    return not ISSUER.fullmatch(settings.JWT_ISSUER)


def has_any_host(settings: Any) -> bool:
    own = settings.ALLOWED_HOSTS[: -len(settings.INTERNAL_HOSTS) or None]
    return not own or "*" in settings.ALLOWED_HOSTS


def weak_api_keys(settings: Any) -> Iterator[str]:
    """Missing ones too: of the callers expected, of the services that are called."""
    accepted = settings.INTERNAL_API_KEYS
    callers = {caller for caller, _ in accepted}
    if not set(getattr(settings, "EXPECTED_CALLERS", ())) <= callers or any(
        is_sample(key) for _, key in accepted
    ):
        yield "INTERNAL_API_KEYS"
    for name, key in presented(settings).items():
        if is_sample(key):
            yield name


def has_other_algorithm(settings: Any) -> bool:
    """simplejwt's default is HS256 with SECRET_KEY: one typing error away (TOK-01)."""
    options = getattr(settings, "SIMPLE_JWT", None)
    ours = {"ALGORITHM": ALGORITHM, "SIGNING_KEY": None}
    other = options is not None and ours.items() - options.items()
    return bool(other) or ALGORITHMS != (ALGORITHM,)


def has_open_cookies(settings: Any) -> bool:
    names = ["COOKIE_SECURE"]
    if "django.contrib.sessions" in settings.INSTALLED_APPS:
        names += ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"]
    return not all(getattr(settings, name) for name in names)


def allows_any_origin(settings: Any) -> bool:
    anything = getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False)
    patterns = getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", ())
    return bool(anything or patterns) or "*" in settings.CORS_ALLOWED_ORIGINS


def has_fast_hash(settings: Any) -> bool:
    names = [path.rpartition(".")[2] for path in settings.PASSWORD_HASHERS]
    fast = any(name.startswith(FAST_HASHES) for name in names)
    stores_people = settings.AUTH_USER_MODEL != "auth.User"
    return fast or (stores_people and "Argon2" not in "".join(names[:1]))


def ignores_exceptions(settings: Any) -> bool:
    caches = settings.CACHES.values()
    own = (cache.get("OPTIONS", {}).get("IGNORE_EXCEPTIONS") for cache in caches)
    return getattr(settings, "DJANGO_REDIS_IGNORE_EXCEPTIONS", False) or any(own)


def has_usual_password(settings: Any) -> bool:
    return any(
        str(database.get("PASSWORD") or "").lower()
        in {"", database.get("USER"), database.get("NAME"), *USUAL_PASSWORDS}
        for database in settings.DATABASES.values()
    )


def trusts_everybody(addresses: str) -> bool:
    """Of gunicorn's `forwarded_allow_ips`: "*", or a network that has all addresses."""
    items = [item.strip() for item in addresses.split(",")]
    return any(item == "*" or item.endswith("/0") for item in items)


def is_browsable(settings: Any) -> bool:
    renderers = settings.REST_FRAMEWORK.get("DEFAULT_RENDERER_CLASSES", BROWSABLE)
    return any(str(path).endswith(BROWSABLE) for path in renderers)


def limits_that_are_off(settings: Any) -> list[str]:
    """By name, of the setting LIMITS and of single ones, such as 10/60; 0 is off."""
    limits = getattr(settings, "LIMITS", {})
    names = filter(RATE_LIMIT.fullmatch, {*dir(settings), *limits})
    values = {name: limits.get(name, getattr(settings, name, "")) for name in names}
    return sorted(name for name, value in values.items() if is_off(value))


def is_off(limit: Any) -> bool:
    first = limit[:1] if isinstance(limit, list | tuple) else [limit]
    text = str(*first) if first else ""
    return text.partition("/")[0].strip() in ("", "0", "None")
