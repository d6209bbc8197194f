"""How long a revoked token may be accepted, by the faults meanwhile."""

import pytest

from deploy.tests.chaos.timeline import (
    FLUSH,
    LIFETIME,
    SWEEP,
    Ending,
    Timeline,
    Trouble,
    refused_from,
)


def trouble(begun: float, back: float, part: str, *, flushes: bool = False) -> Trouble:
    return Trouble("test", frozenset([part]), begun, flushes, back, back)


# Of an ending that was acknowledged at 100.
@pytest.mark.parametrize(
    ("found", "pushed", "bound"),
    [
        pytest.param([], False, 0, id="calm"),
        pytest.param([trouble(95, 105, "users>redis")], False, 0, id="only-reads"),
        pytest.param([trouble(50, 60, "redis")], False, 0, id="long-over"),
        pytest.param([trouble(101, 105, "auth>redis")], False, 0, id="comes-later"),
        pytest.param(
            [trouble(95, 105, "auth>redis")], False, 5 + SWEEP + 3, id="in-force"
        ),
        pytest.param([trouble(95, 500, "redis")], False, LIFETIME, id="for-long"),
        pytest.param([trouble(95, 99.5, "redis")], False, SWEEP + 2.5, id="just-over"),
        pytest.param(
            [trouble(105, 105, "redis", flushes=True)], False, 5 + FLUSH, id="flush"
        ),
        pytest.param(
            [trouble(160, 160, "redis", flushes=True)], False, 0, id="late-flush"
        ),
        pytest.param([trouble(95, 99, "users>auth")], True, LIFETIME, id="push-lost"),
        pytest.param([trouble(95, 99, "users>auth")], False, 0, id="no-push"),
    ],
)
def test_a_bound_follows_from_the_troubles(
    found: list[Trouble], pushed: bool, bound: float
) -> None:
    ending = Ending("test", begun=99.9, acked=100.0, pushed=pushed)
    timeline = Timeline()
    timeline.troubles = found
    assert refused_from(ending, "access", timeline, 1000) == pytest.approx(100 + bound)
    assert refused_from(ending, "refresh", timeline, 1000) == 100
