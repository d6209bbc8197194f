"""A service written in one go, under a name that means nothing else."""

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from deploy.native import cli, service_names, startservice, suites
from deploy.native.layout import Layout
from deploy.native.problems import USAGE, Problem
from deploy.native.services import discover

from .checkout import SOURCE

PACKAGES = Path(sysconfig.get_path("purelib"))
FILES = {
    "nginx/services/notes.conf",
    "notes_project/.env.example",
    "notes_project/README.md",
    "notes_project/compose.yaml",
    "notes_project/manage.py",
    "notes_project/pytest.ini",
    "notes_project/config/__init__.py",
    "notes_project/config/settings.py",
    "notes_project/config/urls.py",
    "notes_project/config/wsgi.py",
    "notes_project/notes/__init__.py",
    "notes_project/notes/migrations/0001_initial.py",
    "notes_project/notes/migrations/__init__.py",
    "notes_project/notes/models.py",
    "notes_project/notes/serializers.py",
    "notes_project/notes/views.py",
    "notes_project/tests/__init__.py",
    "notes_project/tests/test_views.py",
}


@pytest.fixture
def checkout(layout: Layout) -> Layout:
    """What a service is written into."""
    (layout.root / "nginx" / "services").mkdir(parents=True)
    (layout.root / "manage_all.sh").touch(mode=0o755)
    shutil.copytree(SOURCE / "requirements", layout.root / "requirements")
    return layout


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_it_writes_its_own_files_and_no_others(
    checkout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(checkout.root)
    startservice.run(checkout, ["notes"])
    assert files(checkout.root) - before == FILES
    assert not before - files(checkout.root)
    assert [service.name for service in discover(checkout.root)] == [
        *("auth", "notes", "users")
    ]
    said = capsys.readouterr().out
    assert all(f"  {path}\n" in said for path in FILES)
    assert "./manage_all.sh up" in said


def test_no_placeholder_is_left(checkout: Layout) -> None:
    for path, text in startservice.rendered("notes").items():
        assert not re.search(r"@\w*@", text.replace("notes@redis", "")), path


@pytest.mark.parametrize(("rights", "kept"), [(0o755, 0o644), (0o700, 0o600)])
def test_its_files_are_as_open_as_the_checkout(
    checkout: Layout, rights: int, kept: int
) -> None:
    """The umask of the command is private, which source code need not be."""
    (checkout.root / "manage_all.sh").chmod(rights)
    startservice.run(checkout, ["notes"])
    project = checkout.root / "notes_project"
    for path, expected in {
        project: rights,
        project / "manage.py": rights,
        project / "notes" / "models.py": kept,
        checkout.root / "nginx" / "services" / "notes.conf": kept,
    }.items():
        assert path.stat().st_mode & 0o777 == expected, path


@pytest.mark.parametrize("name", ["a", "notes", "zebra", "abcdefghijklmnopqrs"])
def test_its_code_is_clean_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    """Short and long, before `shared` in the alphabet and after it."""
    (tmp_path / "shared").symlink_to(SOURCE / "shared")
    shutil.copy(SOURCE / "pyproject.toml", tmp_path)
    for path, text in startservice.rendered(name).items():
        startservice._write(tmp_path / path, text)
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--no-cache"]
        command.append(f"{name}_project")
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_its_containers_are_held_to_the_rules_of_the_others(tmp_path: Path) -> None:
    """The suite of compose.yaml, in a copy that has the service."""
    copied = ("compose.yaml", "Dockerfile", ".dockerignore", "gunicorn.conf.py")
    folders = ["nginx", "deploy", "shared", "auth_project", "users_project"]
    folders += ["requirements"]
    for name in copied:
        shutil.copy(SOURCE / name, tmp_path)
    for name in folders:
        ignored = shutil.ignore_patterns(".env*", "__pycache__")
        shutil.copytree(SOURCE / name, tmp_path / name, ignore=ignored)
    for name in ("auth", "users"):
        example = f"{name}_project/.env.example"
        shutil.copy(SOURCE / example, tmp_path / example)
    for path, text in startservice.rendered("notes").items():
        startservice._write(tmp_path / path, text)
    suites = [f"nginx/tests/test_{name}.py" for name in ("compose", "containers")]
    command = [sys.executable, "-m", "pytest", "-v", "--rootdir=.", *suites]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for case in ("[notes]", "[notes-migrate]", "[notes-db]"):
        assert case in done.stdout


# ---- Names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Notes", "written otherwise"),
        ("my_notes", "written otherwise"),
        ("my-notes", "written otherwise"),
        ("2notes", "written otherwise"),
        ("../notes", "written otherwise"),
        ("", "written otherwise"),
        ("n" * 20, "written otherwise"),
        ("auth", "auth_project is there"),
        ("users", "users_project is there"),
        ("class", "a word of Python"),
        ("nones", "a word of Python"),
        *(
            (name, "has a meaning here")
            for name in ("shared", "config", "tokens", "nginx", "gateway", "admin")
        ),
        *((name, "has a meaning here") for name in ("requests", "redis", "on", "up")),
        ("json", "a module of that name"),
        ("django", "a module of that name"),
        ("psycopg", "a module of that name"),
    ],
)
def test_a_name_that_means_something_is_refused(
    checkout: Layout, name: str, reason: str
) -> None:
    before = files(checkout.root)
    with pytest.raises(Problem, match=reason) as caught:
        startservice.run(checkout, [name])
    assert caught.value.code == USAGE
    assert files(checkout.root) == before


@pytest.mark.parametrize("path", ["notes_project/x", "nginx/services/notes.conf"])
def test_what_is_there_is_not_written_over(checkout: Layout, path: str) -> None:
    startservice._write(checkout.root / path, "mine")
    with pytest.raises(Problem, match="is there"):
        startservice.run(checkout, ["notes"])
    assert (checkout.root / path).read_text() == "mine"


def is_refused(layout: Layout, name: str) -> bool:
    try:
        service_names.check(layout, name)
    except Problem:
        return True
    return False


def test_no_installed_module_is_hidden(checkout: Layout) -> None:
    """By what the requirements say alone: there is no environment yet."""
    found = {path.name.partition(".")[0] for path in PACKAGES.iterdir()}
    assert {"django", "jwt", "environ", "psycopg"} <= found
    names = {name for name in found if service_names.PATTERN.fullmatch(name)}
    assert {name for name in names if not is_refused(checkout, name)} == set()


def test_no_word_of_the_command_line_is_hidden(checkout: Layout) -> None:
    names = {suite.name for suite in suites.all_suites(checkout, discover(SOURCE))}
    for word in {*cli.VERBS, *names, "supervise", "help"}:
        assert is_refused(checkout, word), word


def test_no_command_of_a_service_is_hidden() -> None:
    """`./manage_all.sh check` runs it in every service, and no service."""
    pattern = "*/management/commands/[a-z]*.py"
    folders = [PACKAGES / "django", PACKAGES / "django" / "contrib", PACKAGES]
    folders += [service.project for service in discover(SOURCE)]
    found = {path.stem for folder in folders for path in folder.glob(pattern)}
    found |= {path.stem for path in PACKAGES.glob("django/core/*/commands/[a-z]*.py")}
    assert {"migrate", "shell", "listsessions"} <= found
    names = {name for name in found if service_names.PATTERN.fullmatch(name)}
    here = Layout(SOURCE)
    assert {name for name in names if not is_refused(here, name)} == set()


def test_no_model_takes_the_place_of_what_is_imported(checkout: Layout) -> None:
    """A service `request` would have a model of the name that views import."""
    for path, text in startservice.rendered("notes").items():
        tree = ast.walk(ast.parse(text)) if path.endswith(".py") else ()
        for node in tree:
            names = node.names if isinstance(node, ast.ImportFrom) else []
            for name in {alias.name for alias in names} - {"Note", "NoteSerializer"}:
                if re.fullmatch(r"[A-Z][a-z]+", name):
                    assert is_refused(checkout, name.lower()), name
                    assert is_refused(checkout, f"{name.lower()}s"), name


@pytest.mark.parametrize(
    ("name", "model"), [("notes", "Note"), ("billing", "Billing"), ("s", "S")]
)
def test_the_model_is_one_of_them(name: str, model: str) -> None:
    assert service_names.model_name(name) == model


# ---- All or nothing ------------------------------------------------------------------


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failure_leaves_nothing(
    checkout: Layout, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(checkout.root.rglob("*"))
    rename, calls = Path.rename, []

    def fail_once(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == failing:
            raise OSError("the disk is full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(OSError, match="full"):
        startservice.run(checkout, ["notes"])
    assert set(checkout.root.rglob("*")) == before


def test_what_a_killed_try_left_is_no_hindrance(checkout: Layout) -> None:
    startservice._write(checkout.root / ".notes.new" / "half", "")
    startservice.run(checkout, ["notes"])
    assert not (checkout.root / ".notes.new").exists()


@pytest.mark.parametrize("words", [[], ["notes", "billing"]])
def test_it_takes_one_name(checkout: Layout, words: list[str]) -> None:
    with pytest.raises(Problem, match="Usage: startservice <name>"):
        startservice.run(checkout, words)
