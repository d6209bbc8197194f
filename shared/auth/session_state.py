"""The live state of sessions in Redis: read by every service, written by auth alone.

One key per session, `session:{sid}`: `active`, or `revoked:<reason>` (the blacklist of
refresh tokens). A missing key means *unknown*, never *fine*: PostgreSQL knows. So Redis
may be flushed, restarted or lost at any time, and losing it costs latency alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import RedisError

from shared import metrics
from shared.circuit_breaker import Breaker
from shared.structured_logging import dependency_logger

ACTIVE = b"active"
REVOKED = "revoked:"

breaker = Breaker("sessions")


def key(sid: UUID | str) -> str:
    return f"session:{sid}"


def connection() -> Redis:
    """The raw client: no pickle, no key prefix, no swallowed errors."""
    client: Redis = get_redis_connection("default")
    return client


def is_active(sid: UUID | str) -> bool | None:
    """True, False (revoked), or None: not known here. One round trip at most."""
    value = read(sid)
    return None if value is None else value == ACTIVE


def read(sid: UUID | str) -> bytes | None:
    """What is written of a session; None if nothing is, or Redis is unavailable."""
    if breaker.is_open():
        metrics.redis_fallbacks_total.labels("sessions").inc()
        return None
    with noting_failure("read"):
        value: Any = connection().get(key(sid))
        breaker.succeeded()
        return value
    metrics.redis_fallbacks_total.labels("sessions").inc()
    return None


def mark_active(sid: UUID | str, ttl: int) -> None:
    """Say that a session lives, for `ttl` seconds. Never overwrites a revocation.

    Best effort: a key that was not written is a key that is not known.
    """
    if breaker.is_open():
        return
    with noting_failure("mark_active"):
        pipeline = connection().pipeline(transaction=False)
        pipeline.set(key(sid), ACTIVE, ex=ttl, nx=True)
        pipeline.expire(key(sid), ttl, gt=True)
        pipeline.execute()
        breaker.succeeded()


def note(name: str, text: str, ttl: int) -> None:
    """Keep a text for `ttl` seconds. Best effort, as `mark_active`."""
    if breaker.is_open():
        return
    with noting_failure("note"):
        connection().set(name, text, ex=ttl)


def answers() -> bool:
    """Whether Redis does. The breaker is not asked: what heals has to know at once."""
    with noting_failure("ping"):
        return bool(connection().ping())
    return False


def known() -> Iterator[UUID]:
    """The sessions of which anything is written. Raises RedisError."""
    for name in connection().scan_iter(key("*"), count=1000):
        yield UUID(name.decode().removeprefix(key("")))


def forget(sids: Iterable[UUID]) -> None:
    """Leave it to the database whether these sessions live. Raises RedisError."""
    if names := [key(sid) for sid in sids]:
        connection().delete(*names)


def mark_revoked(reasons: Mapping[UUID, str], ttl: int) -> bool:
    """Say for `ttl` seconds that sessions have ended, and why; False where that could
    not be said.

    The breaker is not asked: this is the write that matters. A Redis that is full
    refuses SET but allows DEL, and a missing key is safe.
    """
    with noting_failure("mark_revoked"):
        pipeline = connection().pipeline(transaction=False)
        for sid, reason in reasons.items():
            pipeline.set(key(sid), REVOKED + reason, ex=ttl)
        answers = pipeline.execute(raise_on_error=False)
        refused = [
            key(sid)
            for sid, answer in zip(reasons, answers, strict=True)
            if isinstance(answer, Exception)
        ]
        if refused:
            dependency_logger.error(
                "redis refused %s revocations", len(refused), extra={"event": "redis"}
            )
            connection().delete(*refused)
        breaker.succeeded()
        return True
    metrics.redis_fallbacks_total.labels("revocations").inc(len(reasons))
    return False


def repeat_revocations(reasons: Mapping[UUID, str], ttl: int) -> bool:
    """As `mark_revoked`, where that is not known; False where Redis does not answer."""
    with noting_failure("compare"):
        values: Any = connection().mget([*map(key, reasons)])
        lost = {
            sid: reasons[sid]
            for sid, value in zip(reasons, values, strict=True)
            if not (value or b"").startswith(REVOKED.encode())
        }
        return mark_revoked(lost, ttl) if lost else True
    return False


@contextmanager
def noting_failure(act: str, breaker: Breaker = breaker) -> Iterator[None]:
    """A failure of Redis ends the block, and no more. It counts towards the breaker.
    The log has its type alone: messages may quote keys."""
    try:
        yield
    except (RedisError, OSError) as exc:
        breaker.failed()
        dependency_logger.warning(
            "redis %s failed: %s", act, type(exc).__name__, extra={"event": "redis"}
        )
