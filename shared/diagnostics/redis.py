"""Redis: what it does with our keys, and what our user may do (DATA-01, DATA-06)."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django_redis import get_redis_connection
from redis import ConnectionPool, Redis
from redis.exceptions import AuthenticationError, ResponseError

from shared import doctor
from shared.doctor import NotExamined, diagnostic

CONF_FILE = "Use the settings of deploy/redis/redis.conf."
ACL_FILE = "./manage_all.sh up writes .secrets/redis_users.acl; then restart redis."
SERVICE = settings.SERVICE_NAME
# Older ones have known vulnerabilities, unless a distribution has patched them.
MINIMUM_VERSIONS = ((7, 2, 11), (7, 4, 9))

# By id: what has to hold, and a pattern for each setting's value.
CONFIG = {
    "redis.policy": ("Redis evicts nothing", {"maxmemory-policy": "noeviction"}),
    "redis.persistence": (
        "Redis writes nothing to the disk, from where it would restore ended sessions",
        {"save": "", "appendonly": "no"},
    ),
    "redis.limit": ("Redis has a memory limit", {"maxmemory": "[1-9][0-9]*"}),
}
# By id: what has to hold, who sends the commands, and the commands that Redis refuses.
# The administrator asks whether our user may (DRYRUN), as a try would carry them out.
# All services read in session:* whether a session is alive: no session has this name,
# and the key is gone in a second.
DRYRUN = f"ACL DRYRUN|{SERVICE}|"
REFUSALS: dict[str, tuple[str, str, Sequence[str]]] = {
    "redis.strangers": ("Redis asks every client for a password", "default", ["PING"]),
    "redis.rights": ("our user may not administer", "ours", ["CONFIG GET|maxmemory"]),
    "redis.sessions": (
        "only auth may write sessions",
        "ours",
        [] if SERVICE == "auth" else ["SET|session:doctor||EX|1"],
    ),
    "redis.commands": (
        "our user has no dangerous command",
        "admin",
        [f"{DRYRUN}FLUSHALL", f"{DRYRUN}KEYS|*", f"{DRYRUN}CONFIG|SET|save|1 1"],
    ),
}


def connect(user: str) -> Redis:
    """As `ours`, as `default` without a password, or as `admin`. Raises NotExamined."""
    if user == "ours":
        return get_redis_connection("default")
    password = doctor.redis_admin_password.get() if user == "admin" else None
    if password == "":
        raise NotExamined("manage.py doctor --redis-admin-password-file FILE sees it")
    pool = get_redis_connection("default").connection_pool
    credentials = {"username": user if password else None, "password": password}
    options = pool.connection_kwargs | credentials | {"decode_responses": True}
    return Redis(connection_pool=ConnectionPool(pool.connection_class, **options))


def other_values(expected: dict[str, str]) -> str:
    found: Any = connect("admin").config_get(*expected)
    wrong = (n for n, value in expected.items() if not re.fullmatch(value, found[n]))
    return ", ".join(f"{name} {found[name]}" for name in wrong)


def allowed(user: str, commands: Sequence[str]) -> str:
    client = connect(user)
    return ", ".join(each for each in commands if is_allowed(client, each))


def is_allowed(client: Redis, command: str) -> bool:
    try:
        answer = client.execute_command(*command.split("|"))
    except (AuthenticationError, ResponseError):
        return False
    # DRYRUN answers with the text of an error.
    return answer == "OK" or not command.startswith(DRYRUN)


for name, (statement, expected) in CONFIG.items():
    diagnostic(name, statement, CONF_FILE)(partial(other_values, expected))
for name, (statement, user, commands) in REFUSALS.items():
    diagnostic(name, statement, ACL_FILE)(partial(allowed, user, commands))


@diagnostic(
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
