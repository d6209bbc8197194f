"""System checks of settings and keys: docs/operations/checks.md.

Production refuses to start with an error (OPS-01). No message has the text of a secret.
"""

import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register, run_checks
from django.core.exceptions import ImproperlyConfigured

from shared.auth.api_keys import MINIMUM_KEY_LENGTH
from shared.keys import key_store, signing_keys
from shared.keys.signing_keys import ALGORITHM, RECOMMENDED_BITS

SETTINGS = "settings"  # the tag of checks that read nothing but the settings

RANDOM = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
KEY_LIST = "./manage_all.sh keys list"
MINIMUM_SECRET_KEY = 50  # characters, as in Django's own check
# 43 random characters of base64 have about 31 different ones, and never under 20.
MINIMUM_DIFFERENT_CHARACTERS = 16
EXAMPLE = re.compile(
    "change.?me|change.?this|example|sample|placeholder|insecure|replace.?me|"
    "your.?(api|secret|key)|not.?(a.)?secret",
    re.IGNORECASE,
)
ISSUER = re.compile(r"https://[^/?#\s]+(/[^?#\s]*)?")  # RFC 8414 section 2
COMMON_PASSWORDS = ["postgres", "postgresql", "password", "secret", "admin", "root"]
COMMON_PASSWORDS += ["changeme", "change-me", "example", "test", "memo", "123456"]
FAST_HASHES = ("MD5", "SHA1", "UnsaltedMD5", "UnsaltedSHA1")
BROWSABLE = ("BrowsableAPIRenderer", "AdminRenderer")
# gunicorn.conf.py, the migrate step or our scripts read these, not the settings.
READ_ELSEWHERE = {"WORKER_TMP_DIR"}

# By id: what is wrong, and a hint. An E is an error, a W a warning.
MESSAGES = {
    "E001": ("An internal API key has less than 256 bits", RANDOM),
    "E002": ("One key is used in both directions", "Make a key for each direction."),
    "E003": ("A JWT key is missing, faulty or readable by others", KEY_LIST),
    "W004": ("An RSA key has less than 3072 bits", "Rotate to a larger key."),
    "E005": ("The issuer or audience is empty", "Set JWT_ISSUER and JWT_AUDIENCE."),
    "E006": ("A host has an underscore", "Rename it: Django answers 400 (RFC 1123)."),
    "E010": ("DEBUG is on", "DEBUG=false"),
    "E011": ("SECRET_KEY is missing, short, an example or not random", RANDOM),
    "E012": ("ALLOWED_HOSTS is empty or allows any host", "List the gateway's hosts."),
    "E013": ("An internal API key is missing, an example or not random", RANDOM),
    "E014": ("SIMPLE_JWT has another ALGORITHM, or a SIGNING_KEY", "Remove it."),
    "E015": ("JWT_ISSUER is not an https URL", "Set the public URL of the gateway."),
    "E016": ("ACCESS_TOKEN_LIFETIME is over an hour", "ACCESS_TOKEN_LIFETIME=300"),
    "E017": ("JWT_LEEWAY is over a minute", "JWT_LEEWAY=10, and NTP everywhere."),
    "E018": ("A cookie is not secure", "COOKIE_SECURE=true, and TLS at the gateway."),
    "E019": ("CORS_ALLOWED_ORIGINS allows any origin", "List each origin."),
    "E020": ("PASSWORD_HASHERS is not Argon2, then slow ones", "Restore the default."),
    "E021": ("IGNORE_EXCEPTIONS is on for Redis", "Switch it off."),
    "E022": ("A database password is empty, common or its user's name", RANDOM),
    "E023": ("FORWARDED_ALLOW_IPS trusts every address", "Name the gateway's address."),
    "E024": ("REST_FRAMEWORK renders browsable pages", "Use JSONRenderer alone."),
}


def refuse_unsafe(*tags: str) -> None:
    """Raise ImproperlyConfigured, in one line with every id, where production may not
    start. Without tags all system checks run, which needs apps that are loaded."""
    if settings.ENVIRONMENT == "development":
        return
    if settings.ENVIRONMENT != "production":
        raise ImproperlyConfigured("ENVIRONMENT is neither production nor development.")
    found = run_checks(tags=tags or None, include_deployment_checks=True)
    found.sort(key=lambda message: str(message.id))
    errors = [
        f"{each.msg} ({each.id})"
        for each in filter(CheckMessage.is_serious, found)
        # Our own errors cannot be silenced.
        if str(each.id).startswith("memo.") or not each.is_silenced()
    ]
    if errors:
        raise ImproperlyConfigured(f"Not for production: {'; '.join(errors)}.")


def faults(identity: str, at_fault: Iterable[str] | bool) -> list[CheckMessage]:
    """The message of this id, with the names at fault; none where there is no fault."""
    names = [] if isinstance(at_fault, bool) else list(at_fault)
    if not (names or at_fault is True):
        return []
    text, hint = MESSAGES[identity]
    kind = Error if identity.startswith("E") else Warning
    message = f"{text}: {', '.join(names)}" if names else text
    return [kind(message, hint=hint, id=f"memo.{identity}")]


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
    """Of the keys of the one service that signs. Raises KeyFault."""
    if signing_keys.load_signing_key(folder).kid not in public:
        yield "the public half of the signing key is missing"
    for path in key_store.pem_files(folder).values():
        if path.stat().st_mode & 0o077:
            yield f"{path} is readable by others, use chmod 400"


@register(Tags.security, SETTINGS, deploy=True)
def check_secrets(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    key = settings.SECRET_KEY
    yield from faults("E011", len(key) < MINIMUM_SECRET_KEY or is_example(key))
    yield from faults("E013", weak_api_keys())
    databases = settings.DATABASES.values()
    yield from faults("E022", any(map(has_common_password, databases)))


@register(Tags.security, SETTINGS, deploy=True)
def check_tokens(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    # simplejwt's default is HS256 with SECRET_KEY (TOK-01).
    ours = {"ALGORITHM": ALGORITHM, "SIGNING_KEY": None}
    options = getattr(settings, "SIMPLE_JWT", ours)
    yield from faults("E014", bool(ours.items() - options.items()))
    yield from faults("E015", not ISSUER.fullmatch(settings.JWT_ISSUER))
    yield from faults("E016", settings.ACCESS_TOKEN_LIFETIME > 3600)
    yield from faults("E017", settings.JWT_LEEWAY > 60)


@register(Tags.security, SETTINGS, deploy=True)
def check_http(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    own_hosts = settings.ALLOWED_HOSTS[: -len(settings.INTERNAL_HOSTS) or None]
    cookies = ["COOKIE_SECURE"]
    if "django.contrib.sessions" in settings.INSTALLED_APPS:
        cookies += ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"]
    patterns = ("CORS_ALLOW_ALL_ORIGINS", "CORS_ALLOWED_ORIGIN_REGEXES")
    any_origin = any(getattr(settings, name, None) for name in patterns)
    trusted = [item.strip() for item in settings.FORWARDED_ALLOW_IPS.split(",")]
    api: dict[str, Any] = settings.REST_FRAMEWORK
    renderers = api.get("DEFAULT_RENDERER_CLASSES", BROWSABLE)
    yield from faults("E010", bool(settings.DEBUG))
    yield from faults("E012", not own_hosts or "*" in settings.ALLOWED_HOSTS)
    yield from faults("E018", [name for name in cookies if not getattr(settings, name)])
    yield from faults("E019", any_origin or "*" in settings.CORS_ALLOWED_ORIGINS)
    # A trusted client can rewrite the path.
    yield from faults("E023", any(i == "*" or i.endswith("/0") for i in trusted))
    yield from faults("E024", any(str(path).endswith(BROWSABLE) for path in renderers))


@register(Tags.security, SETTINGS, deploy=True)
def check_stores(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    names = [path.rpartition(".")[2] for path in settings.PASSWORD_HASHERS]
    unsafe = any(name.startswith(FAST_HASHES) for name in names)
    if settings.AUTH_USER_MODEL != "auth.User":
        unsafe = unsafe or "Argon2" not in "".join(names[:1])
    options = [cache.get("OPTIONS", {}) for cache in settings.CACHES.values()]
    ignores = getattr(settings, "DJANGO_REDIS_IGNORE_EXCEPTIONS", False)
    ignores = ignores or any(option.get("IGNORE_EXCEPTIONS") for option in options)
    yield from faults("E020", unsafe)
    # Else "not revoked" and "Redis is unavailable" look alike.
    yield from faults("E021", bool(ignores))


def is_example(secret: str) -> bool:
    """Whether it was typed, or copied from a page: random text is neither."""
    few = len(set(secret)) < MINIMUM_DIFFERENT_CHARACTERS
    return few or bool(EXAMPLE.search(secret))


def presented_keys() -> dict[str, str]:
    """By setting, the keys for the services that this one calls."""
    called = [n for n in ("AUTH", "USERS") if getattr(settings, f"{n}_SERVICE_URL", "")]
    names = map("{}_SERVICE_API_KEY".format, called)
    return {name: getattr(settings, name) for name in names}


def weak_api_keys() -> Iterator[str]:
    """Missing ones too: of expected callers, and of the services that are called."""
    accepted = settings.INTERNAL_API_KEYS
    missing = set(getattr(settings, "EXPECTED_CALLERS", ())) - {c for c, _ in accepted}
    if missing or any(is_example(key) for _, key in accepted):
        yield "INTERNAL_API_KEYS"
    yield from (name for name, key in presented_keys().items() if is_example(key))


def has_common_password(database: dict[str, Any]) -> bool:
    password = str(database.get("PASSWORD") or "").lower()
    names = (database.get("USER"), database.get("NAME"))
    return password in {"", *names, *COMMON_PASSWORDS}
