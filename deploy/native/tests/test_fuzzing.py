"""`./manage_all.sh fuzz`: how long it goes on, and what it says of a failure."""

from argparse import Namespace
from pathlib import Path

import pytest

from deploy.native import checks, fuzzing
from deploy.native import layout as layouts
from deploy.native.problems import USAGE, Problem
from deploy.native.services import discover
from deploy.native.suites import Maker, Step

from .checkout import SOURCE


class Rounds:
    """Steps that end with these statuses, one after the other."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = [*statuses]
        self.seeds: list[int] = []

    def fuzz(self, seed: int, examples: int) -> list[Step]:
        self.seeds.append(seed)
        return [Step(["true"], Path("/"))]


@pytest.fixture
def layout() -> layouts.Layout:
    return layouts.of(SOURCE, "fuzz")


def asked(**changed: float) -> Namespace:
    return Namespace(**{"minutes": 0, "seed": 7, "examples": 10, **changed})


def fuzzed(
    layout: layouts.Layout, monkeypatch: pytest.MonkeyPatch, make: Rounds, **how: float
) -> int:
    monkeypatch.setattr(checks, "wait", lambda step: make.statuses.pop(0))
    return fuzzing.rounds(layout, make, asked(**how))  # type: ignore[arg-type]


def test_without_time_there_is_one_round(
    layout: layouts.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Rounds(0, 1)
    assert fuzzed(layout, monkeypatch, make) == 0
    assert make.seeds == [7]


def test_the_first_failure_ends_it_and_can_be_had_again(
    layout: layouts.Layout,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make = Rounds(0, 0, 1, 0)
    assert fuzzed(layout, monkeypatch, make, minutes=60) == 1
    assert make.seeds == [7, 8, 9]
    assert "fuzz --minutes 0 --seed 9 --examples 10" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "exit_status"), [(5, 0), (2, 1), (-9, 1)])
def test_a_suite_may_have_nothing_to_fuzz(
    layout: layouts.Layout,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    exit_status: int,
) -> None:
    """A new service has none of these tests; a run that was ended is no such run."""
    assert fuzzed(layout, monkeypatch, Rounds(status)) == exit_status


def test_every_suite_fuzzes_by_the_seed(layout: layouts.Layout) -> None:
    services = discover(SOURCE)
    steps = Maker(layout, services).fuzz(7, 10)
    assert len(steps) == len(services) + 2
    for step in steps:
        assert "--hypothesis-seed=7" in step.command
        assert (step.env["FUZZ_EXAMPLES"], step.env["FUZZ_SEED"]) == ("10", "7")


@pytest.mark.parametrize(
    "words", [["--minutes", "x"], ["--examples", "0"], ["more"], ["--seed"]]
)
def test_what_is_not_known_is_refused(words: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        fuzzing.parse(words)
    assert caught.value.code == USAGE


def test_what_is_asked_for_is_taken() -> None:
    words = ["--minutes", "0.5", "--seed", "3", "--examples", "9"]
    assert fuzzing.parse(words) == Namespace(minutes=0.5, seed=3, examples=9)
    assert fuzzing.parse([]).seed != fuzzing.parse([]).seed
