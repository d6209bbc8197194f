"""The live state of sessions in Redis: read by every service, written by auth alone.

One key per session, `session:{sid}`: `active`, or `revoked:<reason>` (the blacklist of
refresh tokens). A missing key means *unknown*, never *fine*: then PostgreSQL decides.
So Redis may be flushed, restarted or lost at any time; this costs only latency.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
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
    """True (active), False (revoked), or None: there is no key, or Redis is
    unavailable. One round trip at most."""
    if not breaker.is_open():
        with noting_failure("read"):
            value: Any = connection().get(key(sid))
            breaker.succeeded()
            return None if value is None else bool(value == ACTIVE)
    metrics.redis_fallbacks_total.labels("sessions").inc()
    return None


def mark_active(sid: UUID | str, ttl: int) -> None:
    """Mark a session as active for `ttl` seconds. Never overwrites a revocation.

    Best effort: without the key the session is unknown, which is safe.
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


def is_noted(name: str, ttl: int) -> bool:
    """Whether a text was kept by `note`, which lives for at most `ttl` seconds from
    now. One round trip. False if Redis is unavailable."""
    if breaker.is_open():
        return False
    with noting_failure("is_noted"):
        pipeline = connection().pipeline(transaction=False)
        pipeline.exists(name)
        pipeline.expire(name, ttl, lt=True)
        found, _ = pipeline.execute()
        breaker.succeeded()
        return bool(found)
    return False


def answers() -> bool:
    """Whether Redis answers. Ignores the breaker, so that the sweep repairs at once."""
    with noting_failure("ping"):
        return bool(connection().ping())
    return False


def forget_all() -> int:
    """Delete the keys of all sessions: PostgreSQL decides then. Returns how many.
    Raises RedisError."""
    deleted, found = 0, connection().scan_iter(key("*"), count=1000)
    while names := list(islice(found, 1000)):
        deleted += connection().delete(*names)
    return deleted


def mark_revoked(reasons: Mapping[UUID, str], ttl: int) -> bool:
    """Mark sessions as revoked, each with its reason, for `ttl` seconds. False if Redis
    is unavailable.

    Ignores the breaker: this is the write that matters. A full Redis refuses SET but
    allows DEL, and a missing key is safe.
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
    """`mark_revoked` for those not marked in Redis. False if Redis is unavailable."""
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
    """Suppress a failure of Redis, which ends the block and counts for the breaker. The
    log has only its type, as messages may quote keys."""
    try:
        yield
    except (RedisError, OSError) as exc:
        breaker.failed()
        dependency_logger.warning(
            "redis %s failed: %s", act, type(exc).__name__, extra={"event": "redis"}
        )
