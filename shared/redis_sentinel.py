"""REDIS_URL: one server, or the primary of a group that Sentinel watches."""

import re
import time
from collections import Counter
from typing import Any, NamedTuple

from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

CONFIRMED = 1.0  # seconds for which an answer of the Sentinels is trusted
TIMEOUTS = {"socket_connect_timeout": 0.3, "socket_timeout": 0.3}  # of a Sentinel
# By RESP3, a server that announces its maintenance raises the library's timeouts.
RESP2 = {"protocol": 2}
SERVER = re.compile(r"(redis|rediss|unix)://.*")
SENTINELS = re.compile(
    r"redis(?P<tls>s?)\+sentinel://(?:(?P<user>[\w.-]+)@)?"
    r"(?P<hosts>[\w.:,\[\]-]+)/(?P<name>[a-z0-9._-]+)"
)
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?")


class RedisAddress(NamedTuple):
    """LOCATION and OPTIONS of django-redis."""

    location: str
    options: dict[str, Any]


def parse_redis_url(url: str) -> RedisAddress:
    """Parse redis-py's URL of a server, or `redis+sentinel://user@host:port,.../name`.
    Raises ValueError, whose message omits the URL: it may have a password."""
    if SERVER.fullmatch(url):
        return RedisAddress(url, {"CONNECTION_POOL_KWARGS": RESP2})
    found = SENTINELS.fullmatch(url)
    hosts = found["hosts"].split(",") if found else []
    places = [place for host in hosts if (place := HOST.fullmatch(host))]
    if not found or len(places) < len(hosts):
        raise ValueError(
            "must be redis[s]://..., unix://... or redis[s]+sentinel://..."
        )
    pool = RESP2 | ({"ssl": True} if found["tls"] else {})
    user = f"{found['user']}@" if found["user"] else ""
    return RedisAddress(
        f"redis://{user}{found['name']}/0",
        {
            "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
            "CONNECTION_POOL_CLASS": "shared.redis_sentinel.ConfirmedPool",
            "CONNECTION_POOL_KWARGS": pool,
            "SENTINELS": [(x[1].strip("[]"), int(x[2] or 26379)) for x in places],
            "SENTINEL_KWARGS": {**TIMEOUTS, **pool, "retry": Retry(NoBackoff(), 0)},
        },
    )


class Majority:
    """The primary by a majority of the Sentinels. The library trusts the first one that
    answers, which names a former primary while it is cut off from the others."""

    def __init__(self, sentinel: Sentinel) -> None:
        self.judge: Any = sentinel.check_master_state
        self.sentinels = list(sentinel.sentinels)

    def discover_master(self, name: str) -> tuple[str, int]:
        """The primary's address. Raises ConnectionError if none has a majority. A
        Sentinel that does not answer, or by an error, is asked last from then on."""
        votes: Counter[tuple[str, int]] = Counter()
        for each in self.sentinels:
            try:
                masters: Any = each.sentinel_masters()
            except RedisError:
                others = [other for other in self.sentinels if other is not each]
                self.sentinels = [*others, each]
                continue
            state = masters.get(name)
            if state and self.judge(state, name):
                address = state["ip"], state["port"]
                votes[address] += 1
                if 2 * votes[address] > len(self.sentinels):
                    return address
        raise MasterNotFoundError(f"no majority of Sentinels for {name}")


class ConfirmedPool(SentinelConnectionPool):
    """Connections to a primary that the Sentinels confirmed within the last second.

    The library asks Sentinel only when it connects. A connection that outlives a
    failover would keep reading a former primary, where an ended session looks alive.
    """

    confirmed = 0.0

    def __init__(
        self, service_name: str, sentinel_manager: Sentinel, **options: Any
    ) -> None:
        super().__init__(service_name, Majority(sentinel_manager), **options)

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """Raises ConnectionError if no majority of Sentinels agrees: the answers of a
        former primary cannot be trusted."""
        if time.monotonic() > self.confirmed + CONFIRMED:
            self.get_master_address()  # ends idle connections to a former primary
            self.confirmed = time.monotonic()
        return super().get_connection(*args, **options)
