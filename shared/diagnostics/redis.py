"""Redis: what it does with our keys, and what our user may do (DATA-01, DATA-06)."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from shared.doctor import CLOCK, clock_fault, diagnostic, redis_admin_password

TAG = "redis"
USERS_FILE = "./manage_all.sh up writes .secrets/redis_users.acl; then restart redis."
# Older ones have known vulnerabilities, unless a distribution has patched them.
MINIMUM_VERSIONS = ((7, 2, 11), (7, 4, 9))
WRITER = "auth"  # of session:*, where all services read whether a session is alive
DANGEROUS = (
    ["FLUSHALL"],
    ["CONFIG", "SET", "save", ""],
    ["KEYS", "*"],
    ["ACL", "LIST"],
)

# By id: what has to hold, the hint, and the settings with the values that they need.
CONFIG = {
    "redis.policy": (
        "Redis evicts nothing",
        "maxmemory-policy noeviction",
        {"maxmemory-policy": "noeviction"},
    ),
    "redis.persistence": (
        "Redis writes nothing to the disk, from where it would restore ended sessions",
        'save "" and appendonly no',
        {"save": "", "appendonly": "no"},
    ),
}


def connect(user: str | None = None, password: str = "") -> Redis:
    """To the server of our sessions, as another user."""
    client: Redis = Redis.from_url(
        re.sub(r"//[^/@]*@", "//", settings.CACHES["default"]["LOCATION"]),
        username=user,
        password=password or None,
        socket_timeout=2,
        socket_connect_timeout=2,
        decode_responses=True,
    )
    return client


def administrator() -> Redis:
    return connect("admin", redis_admin_password.get())


def other_values(right: dict[str, str]) -> list[str]:
    with administrator() as client:
        found = client.config_get(*right)
    return [f"{name} {found[name]}" for name in right if found[name] != right[name]]


def may(command: Callable[[], Any]) -> str:
    try:
        command()
    except NoPermissionError:
        return ""
    return "it may"


@diagnostic(
    TAG,
    "redis.strangers",
    "Redis asks every client for a password",
    "The first line of .secrets/redis_users.acl: user default off -@all",
)
def strangers() -> str:
    with connect() as client:
        try:
            client.ping()
        except (AuthenticationError, ResponseError):
            return ""
    return "its default user is on"


@diagnostic(TAG, "redis.rights", "our Redis user may not administer", USERS_FILE)
def rights() -> str:
    client = get_redis_connection("default")
    return may(lambda: client.config_get("maxmemory"))


@diagnostic(TAG, "redis.sessions", "only auth may write sessions", USERS_FILE)
def sessions() -> str:
    client = get_redis_connection("default")
    if settings.SERVICE_NAME == WRITER:
        return ""
    # No session has this name, and the key is gone in a second.
    return may(lambda: client.set("session:doctor", "", ex=1))


@diagnostic(
    TAG,
    "redis.version",
    "Redis has no known vulnerability",
    "Upgrade it, unless your distribution has patched it.",
    note=True,
)
def version() -> str:
    hello = get_redis_connection("default").execute_command("HELLO")
    text = hello[b"version"].decode()
    number = tuple(int(n) for n in re.findall(r"\d+", text)[:3])
    least = MINIMUM_VERSIONS[number[:2] != MINIMUM_VERSIONS[0][:2]]
    return text if hello[b"server"] == b"redis" and number < least else ""


def register_for_administrator() -> None:
    """What Redis tells its administrator alone."""
    for name, (statement, hint, right) in CONFIG.items():
        diagnostic(TAG, name, statement, hint)(partial(other_values, right))

    @diagnostic(TAG, "redis.limit", "Redis has a memory limit", "maxmemory 128mb")
    def limit() -> str:
        with administrator() as client:
            has_limit = client.config_get("maxmemory")["maxmemory"] != "0"
        return "" if has_limit else "it takes all memory there is"

    @diagnostic(TAG, "redis.commands", "our user has no dangerous command", USERS_FILE)
    def commands() -> list[str]:
        """Asked of the administrator, since a try would carry them out."""
        ask = ("ACL DRYRUN", settings.SERVICE_NAME)
        with administrator() as client:
            answers = {c[0]: client.execute_command(*ask, *c) for c in DANGEROUS}
        return [command for command, answer in answers.items() if answer == "OK"]

    @diagnostic(CLOCK[0], "clock.redis", "Redis's clock agrees", CLOCK[1])
    def clock() -> str:
        with administrator() as client:
            seconds, microseconds = client.time()
        return clock_fault(seconds + microseconds / 1e6)


if redis_admin_password.get():
    register_for_administrator()
else:
    diagnostic(
        TAG,
        "redis.admin",
        "Redis's administrator is asked for policy, persistence, memory and clock",
        "manage.py doctor --redis-admin-password-file FILE",
        note=True,
    )(lambda: "there is no password")
