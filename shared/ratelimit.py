"""Fixed windows of the package `limits`, in Redis; in memory if Redis is unavailable.

    with Hits() as hits:  # released if the block raises: 429 and 503 spend nothing
        hits.require(RateLimitPolicy("LOGIN_LIMIT_ADDRESS", address))
        ...  # the work

A hit comes before the work, so of a hundred attempts at once no more than the limit are
made. Keys name no one: addresses, names and ids are in them as HMAC-SHA-256.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.utils.crypto import salted_hmac
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, RedisStorage
from redis import ConnectionPool
from redis.exceptions import RedisError

from shared.api.exceptions import RateLimited
from shared.auth import session_state
from shared.circuit_breaker import Breaker
from shared.structured_logging import audit, dependency_logger

DIGEST = 32  # hexadecimal digits: 128 bits

# Its own: a Redis that is full refuses hits, and still answers for sessions.
breaker = Breaker()
memory_lock = threading.Lock()  # two first hits at once would lose one in MemoryStorage

Storage = RedisStorage | MemoryStorage
items_of = lru_cache(parse_many)


def digest(text: str) -> str:
    """What stands for a name, an address or an id, in keys and in logs."""
    mac = salted_hmac("shared.limits", text, algorithm="sha256")
    return mac.hexdigest()[:DIGEST]


def prefix() -> str:
    """The start of all keys of this service. Its Redis user may write no others."""
    return f"{settings.SERVICE_NAME}:limit"


class RateLimitPolicy:
    """A limit of the setting LIMITS, and what is counted by it: `subjects`."""

    def __init__(self, name: str, *subjects: str) -> None:
        self.name = name
        self.items: list[RateLimitItem] = items_of(settings.LIMITS[name])
        self.identifiers = (name, *map(digest, subjects))

    def key(self, item: RateLimitItem) -> str:
        return item.key_for(*self.identifiers)


@dataclass(frozen=True)
class Hit:
    """One unit of one window, and the storage that counted it."""

    policy: RateLimitPolicy
    item: RateLimitItem
    storage: Storage
    count: int

    @property
    def is_within(self) -> bool:
        most = self.item.amount
        if isinstance(self.storage, MemoryStorage):  # each worker has its own
            most = max(most // settings.WEB_CONCURRENCY, 1)
        return self.count <= most

    def release(self) -> None:
        """Give the unit back. Best effort: it ends with its window anyway."""
        increment(self.storage, self.policy, self.item, -1)

    def wait(self) -> float:
        """Seconds until the window ends."""
        try:
            end = self.storage.get_expiry(self.policy.key(self.item))
        except (RedisError, OSError) as exc:
            note_failure("wait", exc)
            return 1
        return end - time.time()


class Hits:
    """What one attempt has spent. An exception releases it, unless it is one of
    `outcomes`. `context` goes into the audit log with a refusal."""

    def __init__(self, *outcomes: type[Exception], **context: Any) -> None:
        self.outcomes = outcomes
        self.context = context
        self.spent: list[Hit] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        stack: TracebackType | None,
    ) -> None:
        if exc is not None and not isinstance(exc, self.outcomes):
            self.release(*{hit.policy for hit in self.spent})

    def require(self, *policies: RateLimitPolicy) -> None:
        """Spend a unit of each. Raises RateLimited; the block then releases all."""
        for policy in policies:
            refused = self.hit(policy)
            if refused is not None:
                seconds = refused.wait()
                event = "excess_rate_limit_exceeded"
                audit(event, limit=policy.name, seconds=seconds, **self.context)
                raise RateLimited(seconds)

    def hit(self, policy: RateLimitPolicy) -> Hit | None:
        """Spend a unit of each of the policy's windows. Where one is full none of them
        is spent; the answer is the hit that was too many."""
        hits: list[Hit] = []
        for item in policy.items:
            hits.append(hit_window(policy, item))
            if not hits[-1].is_within:
                for each in hits:
                    each.release()
                return hits[-1]
        self.spent += hits
        return None

    def release(self, *policies: RateLimitPolicy) -> None:
        """Give back what was spent of these."""
        for hit in self.spent:
            if hit.policy in policies:
                hit.release()
        self.spent = [hit for hit in self.spent if hit.policy not in policies]


def hit_window(policy: RateLimitPolicy, item: RateLimitItem) -> Hit:
    """Count one in Redis, or where it does not count in this process."""
    storage = redis_storage()
    if not breaker.is_open():
        count = increment(storage, policy, item, 1)
        if count is not None:
            breaker.succeeded()
            return Hit(policy, item, storage, count)
    fallback = memory_storage()
    return Hit(policy, item, fallback, increment(fallback, policy, item, 1) or 0)


def increment(
    storage: Storage, policy: RateLimitPolicy, item: RateLimitItem, amount: int
) -> int | None:
    """The new count; None where Redis has refused or did not answer."""
    key, seconds = policy.key(item), item.get_expiry()
    if isinstance(storage, MemoryStorage):
        with memory_lock:
            return storage.incr(key, seconds, amount)
    try:
        return storage.incr(key, seconds, amount)
    except (RedisError, OSError) as exc:
        note_failure("hit" if amount > 0 else "release", exc)
        return None


def clear(policies: Iterable[RateLimitPolicy]) -> None:
    """Forget what was counted for these, wherever it was. Best effort."""
    keys = [policy.key(item) for policy in policies for item in policy.items]
    for key in keys:
        memory_storage().clear(key)
    if keys and not breaker.is_open():
        try:
            session_state.connection().delete(*map(redis_storage().prefixed_key, keys))
        except (RedisError, OSError) as exc:
            note_failure("clear", exc)


def note_failure(act: str, exc: Exception) -> None:
    """Count towards the breaker, and log: the type alone, messages may quote keys."""
    breaker.failed()
    dependency_logger.warning(
        "redis %s failed: %s", act, type(exc).__name__, extra={"event": "redis"}
    )


def redis_storage() -> RedisStorage:
    """The storage on the connections that this process has."""
    return storage_on(session_state.connection().connection_pool, prefix())


@lru_cache(maxsize=8)
def storage_on(pool: ConnectionPool, key_prefix: str) -> RedisStorage:
    return RedisStorage("redis://", pool, key_prefix=key_prefix)


@lru_cache(maxsize=1)
def memory_storage() -> MemoryStorage:
    """Made on first use, so after gunicorn has forked: it has a thread."""
    return MemoryStorage()
