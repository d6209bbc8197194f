"""Counting in Redis: one round trip and one script for each decision."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.client import Pipeline
from redis.exceptions import NoScriptError, RedisError

from shared.auth import session_state
from shared.limits import buckets as names
from shared.limits.buckets import Bucket
from shared.limits.scripts import GIVE_BACK, RESERVE

SHA = hashlib.sha1(RESERVE.encode(), usedforsecurity=False).hexdigest()


class Verdict(NamedTuple):
    """What was decided: nothing was counted where `refused_by` is a bucket."""

    refused_by: Bucket | None = None
    wait: float = 0.0  # seconds
    marks: tuple[int, ...] = ()
    value: bytes | None = None  # of the key that was read along


def reserve(
    buckets: Sequence[Bucket], known: str = "", read: str = ""
) -> Verdict | None:
    """Count an attempt in all buckets, or in none. None where Redis is away.

    `known` is a key which says that the login is known from the address; `read` one
    whose value is asked for in the same round trip.
    """
    if session_state.breaker.is_open():
        return None
    words = reserve_words(buckets, known)
    try:
        value, answer = ask(words, read)
    except (RedisError, OSError) as exc:
        session_state.note_failure("reserve", exc)
        return None
    session_state.breaker.succeeded()
    if answer[0] == 1:
        return Verdict(marks=tuple(answer[1:]), value=value)
    _, number, wait = answer
    return Verdict(buckets[number - 1], wait / 1000, value=value)


def reserve_words(buckets: Sequence[Bucket], known: str) -> list[Any]:
    """Number of keys, keys and arguments of RESERVE."""
    keys: list[str] = [known or f"{names.namespace()}:nobody"]
    arguments: list[Any] = []
    for bucket in buckets:
        keys += bucket.keys
        arguments += [
            bucket.kind,
            int(bucket.passes_known),
            bucket.limit.most,
            bucket.limit.seconds * 1000,
            *bucket.details,
        ]
    return [len(keys), *keys, *arguments]


def ask(words: list[Any], read: str) -> tuple[bytes | None, list[int]]:
    """The value of the key `read`, and the script's answer.

    Redis forgets scripts when it restarts, and is sent them again.
    """
    pipeline = session_state.connection().pipeline(transaction=False)
    if read:
        pipeline.get(read)
    pipeline.evalsha(SHA, *words)
    *values, answer = pipeline.execute(raise_on_error=False)
    if isinstance(answer, NoScriptError):
        answer = session_state.connection().eval(RESERVE, *words)
    for each in (*values, answer):
        if isinstance(each, Exception):
            raise each
    return (values[0] if values else None), answer


def give_back(
    pipeline: Pipeline, buckets: Sequence[Bucket], marks: Sequence[int], success: bool
) -> None:
    """Add to `pipeline` what undoes a reservation. By text: within a pipeline nobody
    could answer that a script is not known."""
    keys: list[str] = []
    arguments: list[Any] = [int(success)]
    for bucket, mark in zip(buckets, marks, strict=True):
        keys += bucket.keys
        arguments += [bucket.kind, mark, bucket.limit.most, bucket.details[2]]
    pipeline.eval(GIVE_BACK, len(keys), *keys, *arguments)
