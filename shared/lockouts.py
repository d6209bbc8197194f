"""Which rate limits are reached, for operators, and how to lift them. Keys hold digests
in place of names, so a subject has to be named.
The functions raise RedisError or OSError if Redis is unavailable."""

from collections.abc import Collection
from typing import NamedTuple

from shared import ratelimit
from shared.auth import session_state
from shared.ratelimit import RateLimitPolicy


class Lockout(NamedTuple):
    """A limit that is reached, by its setting; how many were counted; its end."""

    limit: str
    counted: int
    seconds: int


def lockouts(subjects: set[str]) -> list[Lockout]:
    """The limits that are reached about any of these; about all without one."""
    client = session_state.connection()
    found = []
    for key in keys(subjects):
        _, name, *_, most, multiples, window = key.split("/")
        count = int(client.get(key) or 0)
        if count >= int(most):
            limit = f"{name} {most}/{multiples}{window}"
            found.append(Lockout(limit, count, max(client.ttl(key), 0)))
    return sorted(found)


def are_reached(policies: Collection[RateLimitPolicy]) -> list[bool]:
    """Whether each is, by one question about all of them."""
    windows = [each for policy in policies for each in policy.windows]
    storage = ratelimit.redis_storage()
    names = [storage.prefixed_key(each.key) for each in windows]
    counts = session_state.connection().mget(names) if names else []
    full = {
        window
        for window, count in zip(windows, counts, strict=True)
        if int(count or 0) >= window.amount
    }
    return [not full.isdisjoint(policy.windows) for policy in policies]


def reset(subjects: set[str]) -> int:
    """Forget what was counted about these; how many counts that were."""
    found = keys(subjects) if subjects else set()
    if found:
        session_state.connection().delete(*found)
    return len(found)


def keys(subjects: set[str]) -> set[str]:
    digests = [ratelimit.digest(subject) for subject in subjects] or [""]
    patterns = [f"{ratelimit.prefix()}:*{digest}*" for digest in digests]
    scan = session_state.connection().scan_iter
    return {k.decode() for each in patterns for k in scan(match=each, count=1000)}
