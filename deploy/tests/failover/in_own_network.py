"""Run by test_network.py in namespaces: five hosts with two Redis and three Sentinels,
and the services of a stack next to them."""

from collections.abc import Iterator

import pytest

from deploy.tests.failover.network import cut, isolated, make_hosts
from deploy.tests.failover.sentinel import (
    TIMES,
    SentinelStack,
    Way,
    group_of,
    under_load,
)
from deploy.tests.stack import System
from shared.tests.redis_group import Host


@pytest.fixture(scope="module")
def hosts() -> list[Host]:
    return make_hosts(5)


@pytest.fixture(scope="module")
def stack(
    hosts: list[Host], system: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SentinelStack]:
    group = group_of(system, tmp_path_factory.mktemp("redis"), hosts)
    with SentinelStack(system.stack, group).linked() as linked:
        yield linked
    group.stop()
    system.run("down")


@pytest.mark.parametrize("way", [cut, isolated])
def test_a_cut_lets_no_ended_session_live(stack: SentinelStack, way: Way) -> None:
    print(under_load(stack, way, TIMES))
