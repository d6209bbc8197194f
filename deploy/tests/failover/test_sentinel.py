"""Redis fails over under load: no token of a session that has ended is accepted for
longer than Sentinel needs, a second of confirmation and a round of the sweep."""

from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from deploy.tests.failover.sentinel import (
    TIMES,
    SentinelStack,
    Way,
    commanded,
    group_of,
    stopped,
    under_load,
)
from deploy.tests.stack import System
from shared.tests.redis_group import NAME

pytestmark = pytest.mark.verify
CHANGES = (
    f"SENTINEL REMOVE {NAME}",
    f"SENTINEL SET {NAME} quorum 1",
    "SENTINEL MONITOR mine 127.0.0.1 6379 1",
    f"SENTINEL FAILOVER {NAME}",
    "SENTINEL RESET *",
    "SENTINEL CONFIG GET *",
    f"SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 99 {'a' * 40}",
    "PUBLISH __sentinel__:hello another",
    "ACL LIST",
    "SHUTDOWN",
)


@pytest.fixture(scope="module")
def stack(
    system: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SentinelStack]:
    group = group_of(system, tmp_path_factory.mktemp("redis"))
    with SentinelStack(system.stack, group).linked() as linked:
        yield linked
    group.stop()


@pytest.mark.parametrize("way", [stopped, commanded])
def test_a_failover_lets_no_ended_session_live(stack: SentinelStack, way: Way) -> None:
    print(under_load(stack, way, TIMES))


def test_a_client_only_asks_the_sentinels(stack: SentinelStack) -> None:
    """DATA-06. A Sentinel logs in to the primary that another service would name, and
    it takes one from PUBLISH too."""
    for port in stack.group.sentinels:
        with Redis(stack.group.hosts[port].address, port) as client:
            for command in CHANGES:
                with pytest.raises(NoPermissionError):
                    client.execute_command(*command.split())
            assert NAME in client.sentinel_masters()
            assert client.sentinel_get_master_addr_by_name(NAME)
