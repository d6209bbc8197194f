"""No request is lost while everything but the stores is restarted, again and again."""

import time

import pytest

from deploy.tests.load import Load
from deploy.tests.stack import System

SECONDS, REQUESTS = 600, 100_000  # at least, both
EVERY = 30  # seconds, a restart


def restart_everything(system: System) -> None:
    before = {name: set(system.family(name)) for name in ("auth", "users", "gateway")}
    system.run("restart", "auth", "users", "gateway")
    for name in ("auth", "users"):
        assert not before[name] & set(system.family(name))


@pytest.mark.verify
def test_restarts_for_ten_minutes_lose_no_request(healthy: System) -> None:
    addresses = healthy.gateway_url, healthy.auth_url, healthy.api_key("auth")
    begun, restarts = time.monotonic(), 0
    with Load(*addresses).running() as load:
        while time.monotonic() - begun < SECONDS or load.sent <= REQUESTS:
            last = time.monotonic()
            restart_everything(healthy)
            restarts += 1
            time.sleep(max(0, last + EVERY - time.monotonic()))
            assert not load.failed, load.failed[:20]
    took = time.monotonic() - begun
    print(f"{load.sent} requests, {restarts} restarts, {took:.0f} s: {load.answered}")
    assert load.failed == []
    assert sum(load.answered.values()) == load.sent > REQUESTS
