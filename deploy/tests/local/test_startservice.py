"""A new service: one command writes it whole, under a name that means nothing else."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import startservice
from deploy.local.problems import USAGE, Problem
from deploy.local.setup.layout import Layout

ROOT = Path(__file__).resolve().parents[3]
OURS = ("notes_project/", "nginx/services/notes.conf")


@pytest.fixture
def checkout(tmp_path: Path) -> Layout:
    """What a service is written into; its environment is that of this test."""
    for folder in ("requirements", startservice.TEMPLATE):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for name in ("auth_project/tokens", "users_project/users"):
        write(tmp_path / name / "__init__.py")
        write(tmp_path / name / "../manage.py")
    write(tmp_path / "auth_project/tokens/management/commands/revokesession.py")
    for path in ("docs/index.md", "bench/x", "nginx/services/papers.conf"):
        write(tmp_path / path)
    (tmp_path / "manage_all.sh").touch()
    (tmp_path / "manage_all.sh").chmod(0o755)
    layout = Layout(tmp_path)
    layout.venv.parent.mkdir()
    layout.venv.symlink_to(sys.prefix)
    return layout


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def files(root: Path) -> set[str]:
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {path for path in found if not path.startswith(".run/")}


def test_it_writes_its_own_files_and_no_others(
    checkout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(checkout.root)
    startservice.run(checkout, ["notes"])
    new = files(checkout.root) - before
    assert {"notes_project/notes/models.py", OURS[1]} < new
    assert all(path.startswith(OURS) for path in new)
    said = capsys.readouterr().out
    assert "  notes_project/\n  nginx/services/notes.conf\n" in said
    assert "./manage_all.sh up" in said
    for path in new:
        assert not re.search(r"\{\{|\}\}", (checkout.root / path).read_text()), path
        # As open as the checkout: the umask of the command is private.
        assert (checkout.root / path).stat().st_mode & 0o44 == 0o44
    with pytest.raises(Problem, match="notes_project exists: there is such a service"):
        startservice.run(checkout, ["notes"])


@pytest.mark.parametrize("name", ["a", "zyxwvutsrqponmlkjih"])
def test_its_code_is_clean_whatever_it_is_called(checkout: Layout, name: str) -> None:
    """Short and long, before `shared` in the alphabet and after it."""
    (checkout.root / "shared").symlink_to(ROOT / "shared")
    shutil.copy(ROOT / "pyproject.toml", checkout.root)
    startservice.run(checkout, [name])
    for words in (["check"], ["format", "--check", "--diff"]):
        command = [sys.executable, "-m", "ruff", *words, "--no-cache"]
        command.append(f"{name}_project")
        done = subprocess.run(command, cwd=checkout.root, capture_output=True)
        assert done.returncode == 0, done.stdout.decode()


# ---- Names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ("Notes my_notes my-notes 2notes ../notes n123456789012345678901", "a letter"),
        ("auth", "auth_project exists"),
        ("users", "users_project exists"),
        ("papers", "papers.conf exists"),
        ("class", "a keyword of Python"),
        # Keys of Redis: `session:*` says which sessions live.
        ("session sessions default admin", "is reserved"),
        ("api static health postgres pg template1 gateway redis", "is reserved"),
        ("contenttypes staticfiles", "is reserved"),
        ("on null up mail help verify startservice system lint", "is reserved"),
        ("migrate revokesession", "manage.py"),
        # Of an app, a folder, the language, a package.
        ("tokens docs json jwt", "existing Python"),
    ],
)
def test_a_name_that_means_something_is_refused(
    checkout: Layout, names: str, reason: str
) -> None:
    before = files(checkout.root)
    for name in names.split():
        with pytest.raises(Problem, match=reason) as caught:
            startservice.run(checkout, [name])
        assert caught.value.code == USAGE
    assert files(checkout.root) == before
