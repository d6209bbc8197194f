"""Redis: what it does with our keys, and what our user may do (DATA-01, DATA-06)."""

import re
from functools import partial
from typing import Any

from django.conf import settings
from django_redis import get_redis_connection
from redis import ConnectionPool, Redis
from redis.exceptions import AuthenticationError, ResponseError

from shared.doctor import diagnostic, redis_admin_password

CONF_FILE = "Use deploy/redis/redis.conf. --redis-admin-password-file FILE shows it."
ACL_FILE = "./manage_all.sh up writes .secrets/redis_users.acl; then restart redis."

# By id: what has to hold, and a pattern for each setting's value.
CONFIG = {
    "redis.policy": ("Redis evicts nothing", {"maxmemory-policy": "noeviction"}),
    "redis.persistence": (
        "Redis writes nothing to the disk, from where it would restore ended sessions",
        {"save": "", "appendonly": "no"},
    ),
    "redis.limit": ("Redis has a memory limit", {"maxmemory": "[1-9][0-9]*"}),
}
# By id: what has to hold, and what Redis refuses to our user. Every service reads in
# session:* whether a session is alive. No session has this name, and the key is gone in
# a second.
REFUSALS = {
    "redis.rights": (
        "our user has no dangerous command",
        ["CONFIG GET maxmemory", "ACL LIST", "LASTSAVE"],
    ),
    "redis.sessions": (
        "only auth may write sessions",
        ["SET session:doctor x EX 1"] if settings.SERVICE_NAME != "auth" else [],
    ),
}


def connect(**credentials: str | None) -> Redis:
    """To our Redis, as our user or as another."""
    pool = get_redis_connection("default").connection_pool
    options = pool.connection_kwargs | credentials | {"decode_responses": True}
    return Redis(connection_pool=ConnectionPool(pool.connection_class, **options))


def other_values(expected: dict[str, str]) -> str | None:
    if not (password := redis_admin_password.get()):
        return None
    found: Any = connect(username="admin", password=password).config_get(*expected)
    wrong = (n for n, value in expected.items() if not re.fullmatch(value, found[n]))
    return ", ".join(f"{name} {found[name]}" for name in wrong)


def allowed(commands: list[str], **credentials: str | None) -> str:
    return ", ".join(x for x in commands if is_allowed(x, connect(**credentials)))


def is_allowed(command: str, client: Redis) -> bool:
    try:
        client.execute_command(*command.split())
    except (AuthenticationError, ResponseError):
        return False
    return True


for name, (statement, expected) in CONFIG.items():
    diagnostic(name, statement, CONF_FILE)(partial(other_values, expected))
for name, (statement, commands) in REFUSALS.items():
    diagnostic(name, statement, ACL_FILE)(partial(allowed, commands))
statement = "Redis asks every client for a password"
strangers = partial(allowed, ["PING"], username=None, password=None)
diagnostic("redis.strangers", statement, ACL_FILE)(strangers)
