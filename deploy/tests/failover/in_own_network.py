"""Run by test_network.py in namespaces: hosts of two Redis and three Sentinels, others
of primaries and standbys of PostgreSQL, and the services of a stack next to them."""

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
from deploy.tests.failover.standby import PairStack, lose_primaries
from deploy.tests.stack import System
from shared.tests.redis_group import Host


@pytest.fixture(scope="module")
def hosts() -> list[Host]:
    return make_hosts(9)


def test_a_host_of_postgresql_loses_its_cable(
    system: System, hosts: list[Host]
) -> None:
    """Connections to it stay open, and new ones are not refused: nothing answers."""
    auth, users = (hosts[5], hosts[6]), (hosts[7], hosts[8])
    stack = PairStack(system.stack, hosts={"auth": auth, "users": users})
    print(lose_primaries(stack))


@pytest.fixture(scope="module")
def stack(
    hosts: list[Host], system: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SentinelStack]:
    group = group_of(system, tmp_path_factory.mktemp("redis"), hosts[:5])
    with SentinelStack(system.stack, group).linked() as linked:
        yield linked
    group.stop()


@pytest.fixture(scope="module", autouse=True)
def _no_stack_is_left(system: System) -> Iterator[None]:
    yield
    system.run("down")


@pytest.mark.parametrize("way", [cut, isolated])
def test_a_cut_lets_no_ended_session_live(stack: SentinelStack, way: Way) -> None:
    print(under_load(stack, way, TIMES))
