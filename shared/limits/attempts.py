"""An attempt at something limited: reserved before the work, settled after it.

    with attempts.reserve(act) as attempt:      # RateLimited, and nothing was done
        ...                                     # the work

What ends by an error that is no outcome of the act (`act.outcomes`), such as another
service's absence, was no attempt and is given back. So of any number at once no more
than the limit get to work, and trouble of ours locks nobody out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

from redis.client import Pipeline
from redis.exceptions import RedisError

from shared.api.exceptions import RateLimited
from shared.auth import session_state
from shared.limits import floor, in_redis
from shared.limits.buckets import Bucket, Delays
from shared.limits.in_redis import Verdict
from shared.structured_logging import audit

# Adds commands to a pipeline that is sent anyway.
Rider = Callable[[Pipeline], object]


@dataclass(frozen=True)
class Act:
    """Something that is limited. Buckets whose limit is off are not counted.

    `known` is the key by which a login is known from an address; `outcomes` are the
    errors that count; `story` goes into the audit log; `has_floor`: counted in
    PostgreSQL while Redis is away, else it is open then.
    """

    name: str
    all_buckets: tuple[Bucket, ...]
    known: str = ""
    outcomes: tuple[type[Exception], ...] = ()
    story: dict[str, Any] = field(default_factory=dict)
    has_floor: bool = True

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        return tuple(bucket for bucket in self.all_buckets if bucket.limit.most)


class Attempt:
    """One that was let through, and where it was counted: `where` is "redis", "floor",
    or empty. `value` is that of the key which was read along."""

    def __init__(self, act: Act, where: str = "", verdict: Verdict | None = None):
        self.act = act
        self.where = where
        self.marks = verdict.marks if verdict else ()
        self.value = verdict.value if verdict else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        stack: TracebackType | None,
    ) -> None:
        if exc is None:
            return
        if isinstance(exc, self.act.outcomes):
            self.failed()
        else:
            self.settle(success=False)

    def failed(self) -> None:
        """It counts. Tell of what begins with it."""
        for bucket, mark in zip(self.act.buckets, self.marks, strict=False):
            if mark and isinstance(bucket, Delays):
                self.audit(bucket.event, bucket, seconds=mark / 1000)
            elif mark == 1:
                self.audit("excess_rate_limit_exceeded", bucket)

    def succeeded(self, *riders: Rider) -> Rider:
        """Failures are forgotten, the rest is given back: PostgreSQL is told at once,
        Redis by the rider, for which the caller has a pipeline. Where none is sent
        what was counted ends by itself."""
        if self.where == "floor":
            self.settle(success=True)
        return partial(self.give_back, success=True, riders=riders)

    def settle(self, *riders: Rider, success: bool) -> None:
        """Give the reservation back, or after a success forget the failures."""
        if self.where == "floor" and (tallies := floor.tallies()) is not None:
            tallies.give_back(self.act.buckets, success=success)
        elif self.where == "redis":
            try:
                pipeline = session_state.connection().pipeline(transaction=False)
                self.give_back(pipeline, success=success, riders=riders)
                pipeline.execute()
            except (RedisError, OSError) as exc:
                session_state.note_failure("settle", exc)

    def give_back(
        self, pipeline: Pipeline, success: bool, riders: tuple[Rider, ...]
    ) -> None:
        if self.where != "redis":
            return
        if self.marks:
            in_redis.give_back(pipeline, self.act.buckets, self.marks, success)
        for rider in riders:
            rider(pipeline)

    def audit(self, event: str, bucket: Bucket, **more: Any) -> None:
        limit = {
            "act": self.act.name,
            "bucket": bucket.name,
            "limit": str(bucket.limit),
        }
        audit(event, **limit, **self.act.story, **more)


def reserve(act: Act, read: str = "") -> Attempt:
    """Count an attempt before it is made. Raises RateLimited, with nothing counted.

    `read` is a key of Redis whose value is asked for on the way.
    """
    buckets = act.buckets
    if not buckets and not read:
        return Attempt(act)
    where, verdict = "redis", in_redis.reserve(buckets, act.known, read)
    if verdict is None and act.has_floor and (tallies := floor.tallies()) is not None:
        where, verdict = "floor", tallies.reserve(buckets)
    attempt = Attempt(act, where if verdict else "", verdict)
    if verdict is not None and verdict.refused_by is not None:
        bucket, wait = verdict.refused_by, verdict.wait
        attempt.audit("excess_rate_limit_exceeded", bucket, seconds=wait)
        raise RateLimited(wait)
    return attempt
