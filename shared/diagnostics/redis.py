"""Diagnostics of Redis: its settings, and the rights of our user (DATA-01, DATA-06)."""

import re
from contextlib import suppress
from functools import partial
from typing import Any

from django.conf import settings
from django_redis import get_redis_connection
from redis import ConnectionPool, Redis
from redis.exceptions import AuthenticationError, ResponseError

from shared.doctor import diagnostic, redis_admin_password

CONF_FILE = (
    "Use deploy/redis/redis.conf. To see the values of a container: "
    "manage.py doctor --redis-admin-password-file FILE"
)
NO_DISK = "Redis writes nothing to the disk: it would restore ended sessions from there"
ACL_FILE = (
    "Run ./manage_all.sh up, which writes .secrets/redis_users.acl, "
    "then ./manage_all.sh restart redis."
)


def connect(**credentials: str | None) -> Redis:
    """A client of our Redis, as our user or as another."""
    pool = get_redis_connection("default").connection_pool
    options = pool.connection_kwargs | credentials | {"decode_responses": True}
    return Redis(connection_pool=ConnectionPool(pool.connection_class, **options))


def other_values(expected: dict[str, str]) -> str | None:
    if not (password := redis_admin_password.get()):
        return None
    found: Any = connect(username="admin", password=password).config_get(*expected)
    wrong = (n for n, value in expected.items() if not re.fullmatch(value, found[n]))
    return ", ".join(f"{name} {found[name]}" for name in wrong)


def allowed(*commands: str, **credentials: str | None) -> str:
    """The given commands that Redis carries out."""
    client, found = connect(**credentials), []
    for command in commands:
        with suppress(AuthenticationError, ResponseError):
            client.execute_command(*command.split())
            found.append(command)
    return ", ".join(found)


diagnostic("redis.policy", "Redis evicts nothing", CONF_FILE)(
    partial(other_values, {"maxmemory-policy": "noeviction"})
)
NOT_STORED = {"save": "", "appendonly": "no", "rdb-del-sync-files": "yes"}
diagnostic("redis.persistence", NO_DISK, CONF_FILE)(partial(other_values, NOT_STORED))
diagnostic("redis.limit", "Redis has a memory limit", CONF_FILE)(
    partial(other_values, {"maxmemory": "[1-9][0-9]*"})
)
diagnostic("redis.rights", "the service's user may run no dangerous command", ACL_FILE)(
    partial(allowed, "CONFIG GET maxmemory", "ACL LIST", "LASTSAVE")
)
diagnostic("redis.strangers", "Redis asks every client for a password", ACL_FILE)(
    partial(allowed, "PING", username=None, password=None)
)
# Every service reads in session:* whether a session is alive. No session has the id
# `doctor`, and this key expires after a second.
if settings.SERVICE_NAME != "auth":
    diagnostic("redis.sessions", "only auth may write session states", ACL_FILE)(
        partial(allowed, "SET session:doctor x EX 1")
    )
