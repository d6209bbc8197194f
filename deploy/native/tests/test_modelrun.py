"""`./manage_all.sh model`: what it understands."""

import pytest

from deploy.native import checks, modelrun
from deploy.native.layout import Layout
from deploy.native.problems import USAGE, Problem
from deploy.native.suites import Suite


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Suite]:
    """The suites that would have been run."""
    suites: list[Suite] = []

    def run_suites(layout: Layout, chosen: list[Suite]) -> int:
        suites.extend(chosen)
        return 0

    monkeypatch.setattr(checks, "run_suites", run_suites)
    return suites


@pytest.mark.parametrize(
    "words", [["--rules", "many"], ["--sead", "5"], ["7"]], ids=" ".join
)
def test_what_it_does_not_understand_starts_nothing(
    words: list[str], layout: Layout, started: list[Suite]
) -> None:
    with pytest.raises(Problem) as refused:
        modelrun.run(layout, words)

    assert refused.value.code == USAGE
    assert not started


def test_both_machines_get_rules_and_seed(
    layout: Layout, started: list[Suite], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.native.passthrough.env", lambda *_, **__: {})

    modelrun.run(layout, ["--rules", "7000", "--seed", "5", "--faults"])

    told = {"MODEL_RULES": "7000", "MODEL_SEED": "5", "MODEL_FAULTS": "all"}
    [suite] = started
    for step in suite.steps():
        assert told.items() <= step.env.items()
