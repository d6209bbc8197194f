"""Redis fails over under load: no token of a session that has ended is accepted for
longer than Sentinel needs, a second of confirmation and a round of the sweep."""

from collections.abc import Iterator

import pytest

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

pytestmark = pytest.mark.verify


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
