"""Checks of PostgreSQL and Redis, and of the hashes of passwords."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register

from shared.checks.addresses import is_local
from shared.checks.messages import SETTINGS, faults

COMMON_PASSWORDS = ["postgres", "postgresql", "password", "secret", "admin", "root"]
COMMON_PASSWORDS += ["changeme", "change-me", "example", "test", "memo", "123456"]
FAST_HASHES = ("MD5", "SHA1", "UnsaltedMD5", "UnsaltedSHA1")
TLS_MODES = ("require", "verify-ca", "verify-full")  # libpq's others work without TLS
REDIS_SCHEMES = ("redis", "rediss", "unix")


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


@register(Tags.security, SETTINGS, deploy=True)
def check_connections(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    databases, caches = settings.DATABASES.values(), redis_caches()
    yield from faults("E022", any(map(has_common_password, [*databases, *caches])))
    clear = ["PostgreSQL"] if any(map(is_database_clear, databases)) else []
    if any(cache["CLEAR"] for cache in caches):
        clear.append("Redis")
    yield from faults("E027", clear)


def is_database_clear(database: dict[str, Any]) -> bool:
    """Whether the database is reached over a network without requiring TLS."""
    options = database.get("OPTIONS") or {}
    hosts = [database.get("HOST"), options.get("host"), options.get("hostaddr")]
    names = ",".join(str(host) for host in hosts if host).split(",")
    return options.get("sslmode") not in TLS_MODES and not all(map(is_local, names))


def redis_caches() -> list[dict[str, Any]]:
    """USER and PASSWORD of each Redis address, and whether it is CLEAR: without TLS."""
    found = []
    for cache in settings.CACHES.values():
        places = cache.get("LOCATION") or ""
        for place in places.split(",") if isinstance(places, str) else places:
            url = urlsplit(place.strip())
            if url.scheme in REDIS_SCHEMES:
                options = cache.get("OPTIONS", {})
                given = url.password or options.get("PASSWORD")
                hosts = [host for host, _ in options.get("SENTINELS", ())]
                pool = options.get("CONNECTION_POOL_KWARGS", {})
                tls = url.scheme == "rediss" or pool.get("ssl")
                local = all(map(is_local, hosts or [url.hostname or ""]))
                clear = url.scheme != "unix" and not tls and not local
                found.append({"USER": url.username, "PASSWORD": given, "CLEAR": clear})
    return found


def has_common_password(account: dict[str, Any]) -> bool:
    password = str(account.get("PASSWORD") or "").lower()
    names = (account.get("USER"), account.get("NAME"))
    return password in {"", *names, *COMMON_PASSWORDS}
