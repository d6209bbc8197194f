"""The page of security and its mutations: what is wrong with them is told."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.native.layout import Layout
from deploy.native.mutants import __main__ as command
from deploy.native.mutants import campaign, catalog, choice, outcome, page
from deploy.native.mutants.catalog import Mutation, NotApplicable
from deploy.native.mutants.trial import Stopped, Trial

from .checkout import SOURCE

HERE = "deploy/native/tests/test_requirements.py"
HERE += "::test_what_runs_is_no_older_than_its_floor"
REASON = "Not met: later"


def mutation(old: str = "a = 1", new: str = "a = 2", id: str = "TOK-01") -> Mutation:
    return Mutation(id, "code.py", old, new, HERE)


def whole_page(**rows: str) -> str:
    """A page with a reason for everything, but for `rows`: id (its hyphen left out) to
    the last cell; an empty one leaves the row out."""
    cells = {id: rows.get(id.replace("-", ""), REASON) for id in page.all_ids()}
    return "".join(f"| {id} | what | {cell} |\n" for id, cell in cells.items() if cell)


def test_this_checkout_has_no_faults() -> None:
    assert command.faults(SOURCE) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (whole_page(TOK01=""), "TOK-01: not in the page"),
        (whole_page() + "| TOK-99 | what | Not met: x |\n", "no such requirement"),
        (whole_page() + "| TOK-01 | what | Not met: x |\n", "TOK-01: twice"),
        (whole_page(TOK01="surely"), "TOK-01: neither a test nor"),
        (whole_page(TOK01="Not met: "), "TOK-01: neither a test nor"),
        (whole_page(TOK01=f"`{HERE}x`"), "TOK-01: there is no test"),
        (whole_page(TOK01="`shared/tests/none.py::test_a`"), "there is no test"),
    ],
)
def test_a_fault_of_the_page_is_told(text: str, fault: str) -> None:
    found = list(page.faults(text, SOURCE))
    assert len(found) == 1
    assert fault in found[0]


def test_a_page_with_a_test_or_a_reason_for_everything_is_whole() -> None:
    assert list(page.faults(whole_page(TOK01=f"`{HERE}`"), SOURCE)) == []


@pytest.mark.parametrize("text", ["b = 1\n", "a = 1\na = 1\n", "if a = 1:\n"])
def test_a_mutation_that_no_longer_fits_is_refused(text: str) -> None:
    with pytest.raises(NotApplicable):
        mutation().applied_to(text)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("a = 1", "a = 1", "not a change of one line"),
        ("a = 1\nb = 1", "a = 2\nb = 2", "not a change of one line"),
        ("a = 1", "a = 1\nb = 1", "not a change of one line"),
        ("c = 1", "c = 2", "is 0 times"),
        ("a = 1", "a = (", "no Python"),
    ],
)
def test_a_fault_of_a_mutation_is_told(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    (tmp_path / "code.py").write_text("a = 1\nb = 1\n")
    requirements = page.read(whole_page(TOK01=f"`{HERE}`"))
    found = list(catalog.faults([mutation(old, new)], requirements, tmp_path))
    assert any(fault in line for line in found)
    assert "only 1 requirements have a mutation" in found[-1]


def test_a_mutation_is_of_a_test_that_the_page_names() -> None:
    found = list(catalog.faults([mutation()], page.read(whole_page()), SOURCE))
    assert f"the page does not name {HERE}" in found[0]


FAILURE = '<failure message="AssertionError: assert 1 == 2"/>'
MISSPELT = "<failure message=\"NameError: name 'x' is not defined\"/>"


@pytest.mark.parametrize(
    ("status", "counts", "inner", "red", "green"),
    [
        pytest.param(1, (1, 1, 0, 0), FAILURE, True, False, id="it failed"),
        pytest.param(0, (1, 0, 0, 0), "", False, True, id="it passed"),
        pytest.param(1, (1, 0, 1, 0), "<error/>", False, False, id="a fixture did"),
        pytest.param(1, (2, 1, 1, 0), FAILURE, False, False, id="both did"),
        pytest.param(1, (1, 1, 0, 0), MISSPELT, False, False, id="a name is misspelt"),
        pytest.param(0, (1, 0, 0, 1), "<skipped/>", False, False, id="it was skipped"),
        pytest.param(2, (0, 0, 1, 0), "<error/>", False, False, id="it is not there"),
        pytest.param(-9, (1, 1, 0, 0), FAILURE, False, False, id="it was killed"),
    ],
)
def test_what_a_run_says(
    tmp_path: Path,
    status: int,
    counts: tuple[int, ...],
    inner: str,
    red: bool,
    green: bool,
) -> None:
    names = ("tests", "failures", "errors", "skipped")
    told = " ".join(f'{name}="{n}"' for name, n in zip(names, counts, strict=True))
    report = tmp_path / "report.xml"
    report.write_text(
        f"<testsuites><testsuite {told}>"
        f"<testcase>{inner}</testcase></testsuite></testsuites>"
    )
    found = outcome.read(status, report)
    assert (found.is_red, found.is_green) == (red, green)


def test_without_a_report_nothing_is_proved(tmp_path: Path) -> None:
    found = outcome.read(1, tmp_path / "none.xml")
    assert not found.is_red
    assert not found.is_green


def test_a_seed_chooses_the_same_again_and_one_of_each_requirement() -> None:
    kept = [mutation(new=f"a = {n}", id=id) for id in page.all_ids() for n in (2, 3)]
    words = ["--random", "10", "--seed", "7"]
    chosen = choice.parse(words, kept).of(kept)
    assert chosen == choice.parse(words, kept).of(kept)
    assert len({each.id for each in chosen}) == len(chosen) == 10
    assert chosen != choice.parse([*words[:-1], "8"], kept).of(kept)


def test_all_or_some_can_be_asked_for() -> None:
    kept = [mutation(), mutation(new="a = 3"), mutation(id="TOK-02")]
    assert choice.parse(["--all"], kept).of(kept) == kept
    assert choice.parse(["--id", "TOK-01"], kept).of(kept) == kept[:2]


@pytest.mark.parametrize("words", [["--id", "TOK-09"], ["some"], ["--seed", "x"]])
def test_words_that_mean_nothing_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        choice.parse(words, [mutation()])


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """Not below the temporary files of this run: no other pytest starts there."""
    base = Layout(SOURCE).base / "tmp"
    base.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=base) as folder:
        yield Path(folder)


def test_what_a_test_does_not_notice_survives(elsewhere: Path) -> None:
    """In real runs of pytest, on a copy; the file is whole again for the next."""
    layout = Layout(SOURCE, os.environ.get("MEMO_STACK", "test"))
    file, pin = "requirements/runtime.txt", "gunicorn==27.0.1 "
    noticed = Mutation("FLOOR-07", file, pin, "gunicorn==26.0.0 ", HERE)
    unnoticed = Mutation("FLOOR-07", file, pin, "gunicorn==27.0.2 ", HERE)
    results = campaign.run(layout, [noticed, unnoticed], elsewhere)
    assert [result.killed for result in results] == [True, False]
    assert not list(elsewhere.glob("*/"))


def test_a_run_that_was_stopped_is_the_last(tmp_path: Path) -> None:
    trial = Trial(Layout(SOURCE, os.environ.get("MEMO_STACK", "test")), tmp_path / "0")
    trial.stop()
    with pytest.raises(Stopped):
        trial.unmutated("deploy", [HERE])
    trial.close()
    assert not trial.root.exists()
