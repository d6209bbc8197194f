"""Redis: what it does with our keys, and what our user may do (DATA-01, DATA-06)."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import AuthenticationError, ResponseError

from shared import doctor
from shared.doctor import NTP, NotExamined, clock_fault, diagnostic

ACL_FILE = "./manage_all.sh up writes .secrets/redis_users.acl; then restart redis."
REFUSED = "AuthenticationError|NoPermissionError|ResponseError"
SERVICE = settings.SERVICE_NAME
# Older ones have known vulnerabilities, unless a distribution has patched them.
MINIMUM_VERSIONS = ((7, 2, 11), (7, 4, 9))

# By id: what has to hold, the hint, who sends which commands, and a pattern that every
# answer has to match.
COMMANDS: dict[str, tuple[str, str, str, Sequence[str], str]] = {
    "redis.policy": (
        "Redis evicts nothing",
        "maxmemory-policy noeviction",
        "admin",
        ["CONFIG GET|maxmemory-policy"],
        "noeviction",
    ),
    "redis.persistence": (
        "Redis writes nothing to the disk, from where it would restore ended sessions",
        'save "" and appendonly no',
        "admin",
        ["CONFIG GET|save", "CONFIG GET|appendonly"],
        "(no)?",
    ),
    "redis.limit": (
        "Redis has a memory limit",
        "maxmemory 128mb",
        "admin",
        ["CONFIG GET|maxmemory"],
        "[1-9][0-9]*",
    ),
    "redis.strangers": (
        "Redis asks every client for a password",
        "The first line of .secrets/redis_users.acl: user default off -@all",
        "default",
        ["PING"],
        REFUSED,
    ),
    "redis.rights": (
        "our Redis user may not administer",
        ACL_FILE,
        "ours",
        ["CONFIG GET|maxmemory"],
        REFUSED,
    ),
    # The administrator asks whether our user may: a try would carry them out.
    "redis.commands": (
        "our user has no dangerous command",
        ACL_FILE,
        "admin",
        [
            f"ACL DRYRUN|{SERVICE}|FLUSHALL",
            f"ACL DRYRUN|{SERVICE}|CONFIG|SET|appendonly|no",
            f"ACL DRYRUN|{SERVICE}|KEYS|*",
            f"ACL DRYRUN|{SERVICE}|ACL|LIST",
        ],
        "(?!OK).*",
    ),
    # All services read there whether a session is alive. No session has this name, and
    # the key is gone in a second.
    "redis.sessions": (
        "only auth may write sessions",
        ACL_FILE,
        "ours",
        [] if SERVICE == "auth" else ["SET|session:doctor||EX|1"],
        REFUSED,
    ),
}


def connect(user: str) -> Redis:
    """As `ours`, as `default` without a password, or as `admin`. Raises NotExamined."""
    if user == "ours":
        return get_redis_connection("default")
    password = doctor.redis_admin_password.get() if user == "admin" else None
    if password == "":
        raise NotExamined("manage.py doctor --redis-admin-password-file FILE sees it")
    client: Redis = Redis.from_url(
        re.sub(r"//[^/@]*@", "//", settings.CACHES["default"]["LOCATION"]),
        username=user if password else None,
        password=password,
        socket_timeout=2,
        socket_connect_timeout=2,
        decode_responses=True,
    )
    return client


def answer(client: Redis, command: str) -> str:
    """A value in text, or the name of the refusal."""
    try:
        found: Any = client.execute_command(*command.split("|"))
    except (AuthenticationError, ResponseError) as exc:
        return type(exc).__name__
    return ", ".join(found.values()) if isinstance(found, dict) else str(found)


def wrong_answers(user: str, commands: Sequence[str], expected: str) -> str:
    client = connect(user)
    answers = {command: answer(client, command) for command in commands}
    wrong = (c for c in answers if not re.fullmatch(expected, answers[c], re.DOTALL))
    return ", ".join(f"{c.replace('|', ' ')}: {answers[c]}" for c in wrong)


for name, (statement, hint, *question) in COMMANDS.items():
    diagnostic(name, statement, hint)(partial(wrong_answers, *question))


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


@diagnostic("clock.redis", "Redis's clock agrees", NTP)
def clock() -> str:
    seconds, microseconds = connect("admin").time()
    return clock_fault(seconds + microseconds / 1e6)
