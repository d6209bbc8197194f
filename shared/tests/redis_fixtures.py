"""Round trips to Redis, time that passes there, and a Redis that is unavailable:
`-p shared.tests.redis_fixtures`."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _own_limits(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What one test has counted is not the next one's, nor is its breaker."""
    from shared.limits import ratelimit

    limits = f"{settings.SERVICE_NAME}:limit-{uuid.uuid4().hex[:12]}"
    monkeypatch.setattr(ratelimit, "prefix", lambda: limits)
    ratelimit.memory_storage().reset()
    yield
    ratelimit.breaker.succeeded()


@pytest.fixture
def redis_round_trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of each write to Redis from here on: `len()` of it is the round trips.

    A pipeline is one write and one round trip. Connecting is not counted.
    """
    from redis.connection import AbstractConnection

    from shared.auth import session_state

    session_state.connection().ping()
    sent: list[int] = []
    send = AbstractConnection.send_packed_command

    def counted(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(len(command))
        return send(self, command, *args, **kwargs)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    return sent


@contextmanager
def redis_at(url: str) -> Iterator[None]:
    """Another Redis; the breaker forgets it afterwards."""
    from django.conf import settings
    from django.test import override_settings

    from shared.auth import session_state

    default = settings.CACHES["default"]
    with override_settings(CACHES={"default": {**default, "LOCATION": url}}):
        yield
    session_state.breaker.succeeded()


def redis_unavailable() -> AbstractContextManager[None]:
    """No server listens at Redis's address."""
    return redis_at("redis://127.0.0.1:1")


@pytest.fixture
def pass_time() -> Callable[[float], None]:
    """Let so many seconds pass for all that this test has counted in Redis, and for
    what it remembers of links for a new password."""
    from django.conf import settings

    from shared.auth import session_state
    from shared.limits import ratelimit

    def shorten(seconds: float) -> None:
        client = session_state.connection()
        counts = client.scan_iter(match=f"{ratelimit.prefix()}:*", count=1000)
        resets = client.scan_iter(match=f"{settings.SERVICE_NAME}:reset:*", count=1000)
        for key in (*counts, *resets):
            # Not below 1 ms, which would be a deletion: a key ends by itself.
            left = max(client.pttl(key) - int(seconds * 1000), 1)
            client.pexpire(key, left)
        time.sleep(0.005)

    return shorten
