"""The environment of the packages, made of files of requirements that are empty."""

from pathlib import Path

import pytest

from deploy.local.problems import Problem
from deploy.local.setup import virtualenv
from deploy.local.setup.layout import Layout


@pytest.mark.verify
def test_what_runs_keeps_its_packages_until_others_are_complete(tmp_path: Path) -> None:
    """As `git pull` brings them while a stack runs."""
    layout = Layout(tmp_path)
    (tmp_path / "requirements").mkdir()
    file = tmp_path / "requirements" / "local.txt"
    file.touch()
    virtualenv.ensure(layout)
    running = layout.venv.resolve()

    file.write_text("what is no requirement")
    with pytest.raises(Problem):
        virtualenv.ensure(layout)
    assert layout.venv.resolve() == running

    file.write_text("# another version\n")
    virtualenv.ensure(layout)
    assert layout.venv.resolve() != running
    assert running.is_dir()
    assert len([*layout.base.glob("venv-*")]) == 2
