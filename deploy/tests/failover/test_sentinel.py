"""Redis fails over under load: no token of a session that has ended is accepted for
longer than Sentinel needs, a second of confirmation and a round of the sweep."""

from collections.abc import Iterator

import pytest

from deploy.tests.failover.sentinel import (
    SentinelStack,
    Way,
    commanded,
    group_of,
    stopped,
    under_load,
)
from deploy.tests.stack import System
from shared.tests.redis_group import Group

pytestmark = pytest.mark.verify
TIMES = int(__import__("os").environ.get("T", 10))


@pytest.fixture(scope="module")
def group(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    group = group_of(system, tmp_path_factory.mktemp("redis"))
    yield group
    group.stop()


@pytest.fixture(scope="module")
def stack(system: System, group: Group) -> Iterator[SentinelStack]:
    with SentinelStack(system.stack, group).linked() as linked:
        yield linked  # type: ignore[misc]


@pytest.mark.parametrize("way", [stopped, commanded])
def test_a_failover_lets_no_ended_session_live(
    stack: SentinelStack, group: Group, way: Way
) -> None:
    print(under_load(stack, group, way, TIMES))
