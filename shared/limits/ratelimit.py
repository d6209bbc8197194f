"""Fixed windows of the package `limits`, in Redis; in memory if Redis is unavailable.

    with Hits() as hits:  # released if the block raises: 429 and 503 spend nothing
        hits.require(RateLimitPolicy("LOGIN_LIMIT_ADDRESS", address))
        ...  # the work

A hit comes before the work, so of a hundred attempts at once no more than the limit are
made. Keys contain addresses, names and ids only as HMAC-SHA-256.
"""

import threading
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, Self

from django.conf import settings
from django.utils.crypto import salted_hmac
from limits import parse_many
from limits.storage import MemoryStorage, RedisStorage
from redis import ConnectionPool

from shared import metrics
from shared.api.exceptions import RateLimited
from shared.auth import session_state
from shared.auth.session_state import noting_failure
from shared.circuit_breaker import Breaker
from shared.structured_logging import audit

# Not the breaker of sessions: a full Redis refuses hits but still answers for sessions.
breaker = Breaker("limits")
items_of = lru_cache(parse_many)


def digest(text: str) -> str:
    """The digest that replaces a name, an address or an id in keys and logs."""
    mac = salted_hmac("shared.limits", text, algorithm="sha256")
    return mac.hexdigest()[:32]  # 128 bits


def prefix() -> str:
    """The start of all keys of this service. Its Redis user may write no others."""
    return f"{settings.SERVICE_NAME}:limit"


class Window(NamedTuple):
    """A counter: `amount` hits under `key`, within `seconds` from the first hit."""

    key: str
    amount: int
    seconds: int


class RateLimitPolicy:
    """A limit of the setting LIMITS for these `subjects`, such as an address."""

    def __init__(self, name: str, *subjects: str) -> None:
        self.name = name
        identifiers = (name, *map(digest, subjects))
        self.windows = [
            Window(item.key_for(*identifiers), item.amount, item.get_expiry())
            for item in items_of(settings.LIMITS[name])
        ]


class Memory(MemoryStorage):
    """The storage if Redis is unavailable. Each worker has its own."""

    lock = threading.Lock()  # without it, one of two simultaneous first hits is lost

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        with self.lock:
            return super().incr(key, expiry, amount)


class Hit(NamedTuple):
    """One unit of one window, and the storage that counted it."""

    window: Window
    storage: RedisStorage | Memory
    counted: int

    @property
    def most(self) -> int:
        most = self.window.amount
        if isinstance(self.storage, Memory):
            return max(most // settings.WEB_CONCURRENCY, 1)
        return most

    def is_within(self) -> bool:
        return self.counted <= self.most

    def release(self) -> None:
        """Give the unit back. Best effort: it ends with its window anyway."""
        with noting_failure("release", breaker):
            self.storage.incr(self.window.key, self.window.seconds, -1)

    def wait(self) -> float:
        """Seconds until the window ends; its length if Redis does not say."""
        with noting_failure("wait", breaker):
            return self.storage.get_expiry(self.window.key) - time.time()
        return self.window.seconds


class Hits:
    """The hits of one attempt. An exception releases them, unless it is one of
    `outcomes`. A refusal is audited with `context`."""

    def __init__(self, *outcomes: type[Exception], **context: Any) -> None:
        self.outcomes: tuple[type[BaseException], ...] = outcomes
        self.context = context
        self.spent: dict[RateLimitPolicy, list[Hit]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, exc: BaseException | None, stack: Any) -> None:
        if exc is not None and not isinstance(exc, self.outcomes):
            self.release(*self.spent)

    def keep(self) -> None:
        """Leave the hits counted, even if a failure follows: the guess was compared."""
        self.outcomes = (BaseException,)

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
        """Spend a unit of each of the policy's windows and return None. If one is full,
        spend nothing and return the hit that was one too many."""
        hits: list[Hit] = []
        for window in policy.windows:
            hits.append(hit_window(window))
            if not hits[-1].is_within():
                metrics.rate_limited_total.labels(policy.name).inc()
                for each in hits:
                    each.release()
                return hits[-1]
        self.spent[policy] = hits
        return None

    def is_last(self, policy: RateLimitPolicy) -> bool:
        """Whether this attempt spent the last unit of one of the policy's windows."""
        return any(hit.counted == hit.most for hit in self.spent.get(policy, ()))

    def reached(self) -> list[str]:
        """The limits whose last unit was spent: the next hit is refused."""
        return sorted({each.name for each in self.spent if self.is_last(each)})

    def release(self, *policies: RateLimitPolicy) -> None:
        """Release the hits of these policies."""
        for policy in policies:
            for hit in self.spent.pop(policy, ()):
                hit.release()


def hit_window(window: Window) -> Hit:
    """Count a hit in Redis, or in this process if Redis is unavailable."""
    if not breaker.is_open():
        redis = redis_storage()
        with noting_failure("hit", breaker):
            count = redis.incr(window.key, window.seconds)
            breaker.succeeded()
            return Hit(window, redis, count)
    metrics.redis_fallbacks_total.labels("limits").inc()
    memory = memory_storage()
    return Hit(window, memory, memory.incr(window.key, window.seconds))


def clear(policies: Iterable[RateLimitPolicy]) -> None:
    """Delete the counts of these policies, in Redis and in memory. Best effort."""
    keys = [window.key for policy in policies for window in policy.windows]
    for key in keys:
        memory_storage().clear(key)
    if keys and not breaker.is_open():
        with noting_failure("clear", breaker):
            session_state.connection().delete(*map(redis_storage().prefixed_key, keys))


def remember(key: str, seconds: int, *, once: bool = False) -> bool:
    """Set a key for `seconds`; with `once` only if it is not set. Whether it was set
    by this call. Best effort: False if Redis is unavailable."""
    if not breaker.is_open():
        with noting_failure("remember", breaker):
            redis = session_state.connection()
            return bool(redis.set(key, "", ex=seconds, nx=once))
    return False


def is_remembered(key: str) -> bool:
    """Whether the key is set. False if Redis is unavailable. One round trip."""
    if not breaker.is_open():
        with noting_failure("is_remembered", breaker):
            return bool(session_state.connection().exists(key))
    return False


def redis_storage() -> RedisStorage:
    """The storage in Redis, on the connection pool of this process."""
    return storage_on(session_state.connection().connection_pool, prefix())


@lru_cache(maxsize=8)
def storage_on(pool: ConnectionPool, key_prefix: str) -> RedisStorage:
    return RedisStorage("redis://", pool, key_prefix=key_prefix)


@lru_cache(maxsize=1)
def memory_storage() -> Memory:
    """The storage in memory. First used after gunicorn has forked: it has a thread."""
    return Memory()
