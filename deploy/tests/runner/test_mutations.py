"""The pages of security and their mutations: each fault of them is named."""

from pathlib import Path

import pytest

from deploy.mutations import __main__ as engine
from deploy.mutations import catalogue
from deploy.mutations.catalogue import Mutation
from deploy.tests.runner.security_pages import faults
from deploy.tests.stack import ROOT

HERE = "deploy/tests/local/test_requirements.py"
TEST = f"{HERE}::test_what_runs_is_no_older_than_its_floor"
GOOD = f"## TOK-01\n\nWhat.\n\nStatus: met.\n\n* `{TEST}`\n\n"


def mutation(old: str = "a = 1", new: str = "a = 2", id: str = "TOK-01") -> Mutation:
    return Mutation(id, "code.py", old, new, TEST)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One requirement, its test, and the code of it."""
    for name in (HERE, "docs/security/index.md", "docs/security/tokens.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / HERE).write_text((ROOT / HERE).read_text())
    (tmp_path / "docs/security/index.md").write_text("| TOK | tokens | 1 |\n")
    (tmp_path / "docs/security/tokens.md").write_text(GOOD)
    (tmp_path / "code.py").write_text("a = 1\nb = 1\nb = 1\n")
    return tmp_path


def test_this_checkout_has_no_faults() -> None:
    assert faults(ROOT, catalogue.load()) == []


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("", "TOK-01: not in docs"),
        (GOOD + GOOD.replace("01", "09"), "TOK-09: not in index"),
        (GOOD + GOOD, "TOK-01: twice"),
        (GOOD.replace("Status: met.", ""), "TOK-01: no `Status"),
        (GOOD.replace("met.", "not met: "), "TOK-01: no `Status"),
        (GOOD.replace(f"* `{TEST}`", ""), "TOK-01: no test"),
        (GOOD.replace("::test", "::tests"), "TOK-01: there is no test"),
        (GOOD.replace("requirements.py", "none.py"), "TOK-01: there is no test"),
    ],
)
def test_a_fault_of_a_page_is_named(checkout: Path, page: str, fault: str) -> None:
    assert faults(checkout, [mutation()])[:-1] == []
    (checkout / "docs/security/tokens.md").write_text(page)
    assert fault in faults(checkout, [])[0]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (mutation(new="a = 1"), "not a change of one line"),
        (mutation("a = 1\nb = 1", "a = 2\nb = 2"), "not a change of one line"),
        (mutation(new="a = 1\nb = 1"), "not a change of one line"),
        (mutation("c = 1", "c = 2"), "is 0 times"),
        (mutation("b = 1", "b = 2"), "is 2 times"),
        (mutation(new="a = ("), "was never closed"),
        (mutation(id="TOK-02"), "its page does not name"),
    ],
)
def test_a_fault_of_a_mutation_is_named(
    checkout: Path, changed: Mutation, fault: str
) -> None:
    found = faults(checkout, [mutation(), changed])
    assert fault in found[0]
    assert "only" in found[-1]
    assert len(found) == 2


@pytest.mark.parametrize(
    ("counts", "failure", "color"),
    [
        ((1, 1, 0, 0), "AssertionError: 1 == 2", "red"),
        ((1, 0, 0, 0), "", "green"),
        ((2, 1, 1, 0), "AssertionError", "neither"),  # a fixture failed, too
        ((1, 1, 0, 0), "NameError: x", "neither"),
        ((1, 0, 0, 1), "", "neither"),  # it was skipped
        ((0, 0, 0, 0), "", "neither"),
    ],
)
def test_a_report_is_read(
    tmp_path: Path, counts: tuple[int, ...], failure: str, color: str
) -> None:
    names = ("tests", "failures", "errors", "skipped")
    numbers = " ".join(f'{k}="{n}"' for k, n in zip(names, counts, strict=True))
    inner = f'<failure message="{failure}"/>' * bool(failure)
    report = tmp_path / "report.xml"
    report.write_text(f"<a><testsuite {numbers}>{inner}</testsuite></a>")
    assert engine.verdict(report)[0] == color


def test_a_seed_chooses_the_same_again_and_one_for_each_requirement() -> None:
    ids = [f"TOK-{n:02}" for n in range(1, 31)]
    kept = [mutation(new=f"a = {n}", id=id) for id in ids for n in (2, 3)]
    some, again, other = (
        engine.choose(engine.parse(["--random", "10", "--seed", seed]), kept)
        for seed in "778"
    )
    assert some == again != other
    assert len({each.id for each in some}) == len(some) == 10


def test_a_change_that_the_test_does_not_notice_survives(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In real runs of pytest in a copy. The file is whole again for the next one."""
    file, pin = "requirements/runtime.txt", "gunicorn==27.0.1 "
    changes = ("gunicorn==26.0.0 ", "gunicorn==27.0.2 ")
    tried = [Mutation("FLOOR-07", file, pin, change, TEST) for change in changes]
    assert engine.try_suite("local", tried) == 1
    lines = [line for line in capfd.readouterr().out.splitlines() if "FLOOR" in line]
    assert [line.split()[0] for line in lines] == ["killed", "SURVIVED"]
