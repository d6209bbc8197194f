"""The pages of security and their mutations agree; the engine sees what a test does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.mutations import __main__ as engine
from deploy.mutations.__main__ import Mutation
from deploy.tests.stack import ROOT

LEAST = 60  # requirements that have a mutation
TEXT = "\n".join(p.read_text() for p in (ROOT / "docs" / "security").glob("*.md"))
REQUIREMENTS = re.findall(r"^## ([A-Z0-9]+-\d{2})\n(.+?)(?=^## |\Z)", TEXT, re.M | re.S)
# A requirement without one of these is met.
STATUS = re.compile(r"^(Partly met|Not met|Deviates): \S", re.M)
NAMED = re.compile(r"^\* `([\w/]+\.py)::(\w+)`$", re.M)
# Of index.md: how many requirements a topic has, so that none is left out.
TOPIC = re.compile(r"^\* ([A-Z0-9]+): .+, (\d+)$", re.M)
TEST = (
    "deploy/tests/local/test_requirements.py::test_what_runs_is_no_older_than_its_floor"
)


def test_the_index_counts_the_requirements() -> None:
    topics = [(topic, int(count)) for topic, count in TOPIC.findall(TEXT)]
    wanted = [f"{topic}-{n + 1:02}" for topic, count in topics for n in range(count)]
    assert sorted(id for id, _ in REQUIREMENTS) == sorted(wanted)


def test_a_requirement_is_met_or_says_why_not_and_its_tests_exist() -> None:
    for id, section in REQUIREMENTS:
        statuses, tests = STATUS.findall(section), NAMED.findall(section)
        assert "\nStatus: " not in section, f"{id}: met, or one of {STATUS.pattern}"
        assert tests or statuses == ["Not met"], f"{id}: no test"
        for file, name in tests:
            text = (ROOT / file).read_text()
            assert re.search(rf"^def {name}\(", text, re.M), f"{id}: no {name}"


def test_every_mutation_applies_and_its_page_names_its_test() -> None:
    kept, named = engine.load(), dict(REQUIREMENTS)
    for each in kept:
        assert f"`{each.test}`" in named[each.id], each
        assert each.applied_to((ROOT / each.file).read_text()), each
    assert len({each.id for each in kept}) >= LEAST


@pytest.mark.parametrize(
    ("text", "is_red"),
    [
        ("def test():\n    assert 1 == 2", True),
        ("def test():\n    assert 1 == 1", False),
        ("def test(missing):\n    assert 1 == 2", False),
        ("def test():\n    misspelt", False),
    ],
)
def test_red_is_a_test_that_failed_itself(
    tmp_path: Path, text: str, is_red: bool
) -> None:
    (tmp_path / "test_it.py").write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -rs -p no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *engine.OPTIONS, "test_it.py"]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True)
    text = done.stdout.decode()
    assert engine.has_failed(done.returncode, text) is is_red, text


def test_without_words_there_are_ten_of_one_requirement_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same ones for one commit, others for another one."""
    some = engine.choose([])
    assert engine.choose([]) == some
    assert len({each.id for each in some}) == len(some) == 10
    other = subprocess.CompletedProcess((), 0, b"another commit")
    monkeypatch.setattr(engine, "git", lambda *words: other)
    assert engine.choose([]) != some


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
