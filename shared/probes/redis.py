"""Redis itself: what it does with our keys. Most only its administrator may ask."""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import AuthenticationError, ResponseError

from shared.doctor import NOTE, OK, WRONG, Context, Finding, judge, probe
from shared.probes.clocks import compare

ADMIN = "admin"
FLOOR = (7, 4, 9)
FLOOR_OF_7_2 = (7, 2, 11)


def connect(user: str | None, password: str) -> Redis:
    """To the server of our sessions, as somebody else."""
    url = re.sub(r"//[^/@]*@", "//", settings.CACHES["default"]["LOCATION"])
    client: Redis = Redis.from_url(
        url,
        username=user,
        password=password or None,
        socket_timeout=2,
        socket_connect_timeout=2,
        decode_responses=True,
    )
    return client


@probe
def strangers(context: Context) -> Iterator[Finding]:
    """The default user is off: who names nobody is nobody (DATA-06)."""
    with connect(None, "") as client:
        try:
            client.ping()
        except (AuthenticationError, ResponseError):
            yield Finding("redis.strangers", OK, "Redis asks everybody for a password")
            return
    text = "Redis lets in whoever connects: its default user is on"
    advice = "The first line of .secrets/redis_users.acl: user default off -@all"
    yield Finding("redis.strangers", WRONG, text, advice)


@probe
def version(context: Context) -> Iterator[Finding]:
    """A note only: distributions patch older ones."""
    hello = get_redis_connection("default").execute_command("HELLO")
    pairs = (
        hello if isinstance(hello, dict) else dict(zip(*[iter(hello)] * 2, strict=True))
    )
    found = {text(k): text(v) for k, v in pairs.items()}
    number = tuple(int(n) for n in re.findall(r"\d+", found["version"])[:3])
    floor = FLOOR_OF_7_2 if number[:2] == (7, 2) else FLOOR
    if found["server"] == "redis" and number < floor:
        told = f"Redis {found['version']}, known holes are closed in 7.2.11 and 7.4.9"
        advice = "Upgrade, unless your distribution has patched it."
        yield Finding("redis.version", NOTE, told, advice)


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@probe
def memory(context: Context) -> Iterator[Finding]:
    """It keeps what it was told for as long as it was told (DATA-01)."""
    if not context.redis_admin_password:
        told = (
            "policy, persistence, memory and clock of Redis: its administrator's to ask"
        )
        advice = "manage.py doctor --redis-admin-password-file FILE"
        yield Finding("redis.admin", NOTE, told, advice)
        return
    with connect(ADMIN, context.redis_admin_password) as client:
        policy = client.config_get("maxmemory-policy")["maxmemory-policy"]
        limit = int(client.config_get("maxmemory")["maxmemory"])
        save = client.config_get("save")["save"]
        appendonly = client.config_get("appendonly")["appendonly"]
        seconds, microseconds = client.time()
    yield judge(
        "redis.policy",
        policy == "noeviction",
        "Redis evicts nothing",
        f"Redis evicts keys when it is full: {policy}",
        "maxmemory-policy noeviction",
    )
    yield judge(
        "redis.limit",
        limit > 0,
        f"Redis has a limit of {limit >> 20} MiB",
        "Redis takes all memory there is",
        "maxmemory 128mb",
    )
    kept = [f"save {save}"] * bool(save) + ["appendonly yes"] * (appendonly == "yes")
    yield judge(
        "redis.persistence",
        not kept,
        "Redis writes nothing to the disk",
        f"Redis would bring ended sessions back from the disk: {', '.join(kept)}",
        'save "" and appendonly no',
    )
    yield compare("clock.redis", "Redis", seconds + microseconds / 1e6)
