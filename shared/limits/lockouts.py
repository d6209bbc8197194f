"""Find and reset the rate limits that are reached, for operators. Keys hold digests
instead of names: to find the limits of a subject, the caller has to name it.
The functions raise RedisError or OSError if Redis is unavailable."""

from collections.abc import Collection
from typing import NamedTuple

from shared.auth import session_state
from shared.limits import ratelimit
from shared.limits.ratelimit import RateLimitPolicy


class Lockout(NamedTuple):
    """A limit that is reached: its setting, the hits so far, the seconds to its end."""

    limit: str
    counted: int
    seconds: int


def lockouts(subjects: set[str]) -> list[Lockout]:
    """The reached limits of these subjects, or all reached limits if there are none."""
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
    """Whether each of the policies is reached. One round trip."""
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
    """Delete the counts of these subjects. Return how many there were."""
    found = keys(subjects) if subjects else set()
    if found:
        session_state.connection().delete(*found)
    return len(found)


def keys(subjects: set[str]) -> set[str]:
    digests = [ratelimit.digest(subject) for subject in subjects] or [""]
    patterns = [f"{ratelimit.prefix()}:*{digest}*" for digest in digests]
    scan = session_state.connection().scan_iter
    return {k.decode() for each in patterns for k in scan(match=each, count=1000)}
