"""A backup that is not exactly as it was written is refused, before anything changes.
What restoring does is proved by deploy/tests/system/operations/test_backup.py."""

import argparse
import json
import os
import pwd
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from deploy.local import backup, manage, restore
from deploy.local.problems import Problem
from deploy.local.servers import supervisor
from deploy.local.setup.files import write_private
from deploy.local.setup.layout import Layout

LAST_YEAR = 1_735_689_600
FILES = ("auth.dump", "users.dump", "settings.tar", "erasures.log")


def rewritten(folder: Path, **members: object) -> None:
    """The manifest with other members."""
    manifest = json.loads((folder / backup.MANIFEST).read_text())
    (folder / backup.MANIFEST).write_text(json.dumps({**manifest, **members}))


@pytest.fixture
def folder(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backup; pg_dump writes a line instead of a database."""
    monkeypatch.setattr(supervisor, "call", lambda *_: {})
    monkeypatch.setattr(supervisor, "is_running", lambda _: True)
    running: dict[str, list[object]] = {name: [] for name in layout.programs}
    monkeypatch.setattr(supervisor, "processes", lambda _: running)
    monkeypatch.setattr(backup.postgres, "insist_on_own", lambda *_: None)

    def call(layout: Layout, service: object, program: str, *words: object) -> str:
        if program == "pg_dump":
            Path(str(words[2])).write_text(f"dump of {words[3]}\n")
        return "15.1\n"

    monkeypatch.setattr(backup.postgres, "call", call)
    (layout.root / "pyproject.toml").write_text("[project]\nversion = '1'\n")
    for path in layout.all_env_files().values():
        write_private(path, f"NAME={path.name}\n")
    (layout.keys / "private").mkdir(parents=True)
    write_private(layout.keys / "private" / "a.pem", "key", mode=0o400)
    os.utime(layout.keys / "private" / "a.pem", (LAST_YEAR, LAST_YEAR))
    write_private(layout.secrets / "auth_secret_key", "secret")
    (layout.secrets / "factor_keys").mkdir()
    for name in ("1", "2"):
        write_private(layout.secrets / "factor_keys" / f"{name}.key", name)
    backup.backup(layout, str(tmp_path / "backup"))
    return tmp_path / "backup"


def enough(_: Layout) -> None:
    """In place of `up`."""
    raise Problem("enough")


def attempt(layout: Layout, folder: Path, **options: object) -> None:
    given = {"folder": str(folder), "only": None, "keep_sessions": False, **options}
    restore.restore(layout, argparse.Namespace(**given), enough)


def test_it_is_private_and_names_every_file(layout: Layout, folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {*backup.check(folder)["files"]} == {*FILES}
    with pytest.raises(Problem, match="exists already"):
        backup.backup(layout, str(folder))


TAMPERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (lambda f: (f / FILES[0]).write_text("dump of AUTH\n"), FILES[0]),
    "cut": (lambda f: (f / FILES[1]).write_text("dump"), FILES[1]),
    "missing": (lambda f: (f / FILES[1]).unlink(), FILES[1]),
    "no settings": (lambda f: (f / FILES[2]).unlink(), FILES[2]),
    "foreign": (lambda f: (f / "extra.dump").touch(), "extra.dump"),
    "folder": (lambda f: (f / "more").mkdir(), "more"),
    "no manifest": (lambda f: (f / backup.MANIFEST).unlink(), "not a complete backup"),
    "no folder": (shutil.rmtree, "There is no folder"),
    "half a manifest": (
        lambda f: (f / backup.MANIFEST).write_text('{"stack": "", "fil'),
        "missing, changed or added",
    ),
    "a manifest without files": (
        lambda f: (f / backup.MANIFEST).write_text('{"stack": ""}'),
        backup.MANIFEST,
    ),
    "a manifest without a stack": (
        lambda f: (f / backup.MANIFEST).write_text('{"files": {}}'),
        backup.MANIFEST,
    ),
    "a list of files": (lambda f: rewritten(f, files=[*FILES]), backup.MANIFEST),
    "a list": (lambda f: (f / backup.MANIFEST).write_text("[]"), backup.MANIFEST),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_another_is_refused_and_nothing_changes(
    layout: Layout, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise AssertionError("something was started")

    monkeypatch.setattr(supervisor, "stop_program", unreachable)
    tamper, text = TAMPERED[kind]
    tamper(folder)
    shutil.rmtree(layout.secrets)
    with pytest.raises(Problem, match=text):
        attempt(layout, folder)
    assert not layout.secrets.exists()


def test_a_service_that_never_ran_is_named(layout: Layout, folder: Path) -> None:
    """After `startservice`. It has no settings and no database yet."""
    (layout.root / "notes_project").mkdir()
    (layout.root / "notes_project" / "manage.py").touch()
    newer = Layout(layout.root)
    (notes,) = (each for each in newer.services if each.name == "notes")
    for act in (
        partial(backup.backup, newer, None),
        partial(attempt, newer, folder),
        partial(manage._stand_in, newer, notes, ["runserver"]),
    ):
        with pytest.raises(Problem, match=r"notes has never run\.\n  .* up"):
            act()


def test_a_restore_needs_the_worker_that_it_starts(
    layout: Layout, folder: Path
) -> None:
    """A `git pull` may bring one. A backup comes before, or does without."""
    del supervisor.processes(layout)["users-worker"]
    with pytest.raises(Problem, match=r"users-worker has never run\.\n  .* up"):
        attempt(layout, folder)
    backup.backup(layout, None)


def test_the_dump_of_a_service_that_is_gone_is_named(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = restore._chosen(layout, [*FILES, "notes.dump"], None)
    assert [each.name for each in chosen] == ["users", "auth"]
    text = "memo: notes.dump is not restored: this checkout has no such service\n"
    assert capsys.readouterr().out == text


def test_a_folder_that_cannot_be_made_is_named(layout: Layout, folder: Path) -> None:
    """And not the draft, of which the user knows nothing."""
    target = folder / backup.MANIFEST / "second"
    user = pwd.getpwuid(os.geteuid()).pw_name
    text = f"^{target} cannot be written by {user}: Not a directory"
    with pytest.raises(Problem, match=text):
        backup.backup(layout, str(target))


@pytest.mark.parametrize("signal", [KeyboardInterrupt, OSError, Problem("full")])
def test_one_that_was_interrupted_is_none(
    layout: Layout,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    signal: BaseException | type[BaseException],
) -> None:
    def interrupt(*_: object) -> None:
        raise signal

    monkeypatch.setattr(backup.postgres, "call", interrupt)
    before = {*folder.parent.iterdir()}
    with pytest.raises((KeyboardInterrupt, OSError, Problem)):
        backup.backup(layout, str(folder.parent / "second"))
    assert {*folder.parent.iterdir()} == before


def test_two_at_once_into_one_folder_are_one_whole_backup(
    layout: Layout, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by cron and by hand. The second one must not empty the draft of the first."""
    target, dump = folder.parent / "second", backup.postgres.call
    faults: list[str] = []

    def again() -> None:
        try:
            backup.backup(layout, str(target))
        except Problem as problem:
            faults.append(str(problem))

    other = threading.Thread(target=again)

    def call(layout: Layout, service: object, program: str, *words: object) -> str:
        if program == "pg_dump" and other.ident is None:
            other.start()
            other.join(0.3)
        return dump(layout, service, program, *words)

    monkeypatch.setattr(backup.postgres, "call", call)
    backup.backup(layout, str(target))
    other.join()
    assert {*backup.check(target)["files"]} == {*FILES}
    assert faults == [f"{target} exists already.\n  Name a new folder."]


def test_a_key_that_is_made_before_the_last_dump_is_in_the_backup(
    layout: Layout, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `rotatefactorkeys --new`, which takes no lock. The dump has secrets that this
    key has encrypted."""
    key, dump = layout.secrets / "factor_keys" / "3.key", backup.postgres.call

    def call(layout: Layout, service: object, program: str, *words: object) -> str:
        write_private(key, "3")
        return dump(layout, service, program, *words)

    monkeypatch.setattr(backup.postgres, "call", call)
    backup.backup(layout, str(folder.parent / "second"))
    key.unlink()
    restore.bring_factor_keys(layout, folder.parent / "second")
    assert key.read_text() == "3"


def test_the_draft_of_a_killed_backup_is_removed_by_the_next(
    layout: Layout, folder: Path
) -> None:
    """It has secrets, and no command shows it. Those of other stacks stay."""
    left = layout.backups / ".memo-20260131T010203Z.new"
    others = [layout.backups / f".memo-b-{left.name[6:]}", layout.backups / "mine.new"]
    for path in (left, *others):
        path.mkdir(parents=True)
        (path / "users.dump").touch()
    backup.backup(layout, None)
    assert not left.exists()
    assert all(path.exists() for path in others)
    assert len([*layout.backups.glob("memo-*")]) == 1


@pytest.mark.parametrize("only", ["users", "auth"])
def test_sessions_are_kept_only_by_two_dumps_of_one_backup(
    layout: Layout, folder: Path, only: str
) -> None:
    with pytest.raises(Problem, match="of one backup"):
        attempt(layout, folder, only=only, keep_sessions=True)


def test_settings_come_back_only_where_there_are_none(
    layout: Layout, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was revoked after the backup must not come back."""
    monkeypatch.setattr(supervisor, "is_running", lambda _: False)
    key = layout.keys / "private" / "a.pem"
    key.unlink()
    with pytest.raises(Problem, match="enough"):
        attempt(layout, folder)
    assert not key.exists()

    shutil.rmtree(layout.secrets)
    for path in layout.all_env_files().values():
        path.unlink()
    with pytest.raises(Problem, match="enough"):
        attempt(layout, folder)
    assert key.read_text() == "key"
    assert key.stat().st_mode & 0o777 == 0o400
    assert key.stat().st_mtime == LAST_YEAR  # rotation goes by the age of a key
    assert (layout.secrets / "auth_secret_key").read_text() == "secret"
    texts = {path.read_text() for path in layout.all_env_files().values()}
    assert texts == {f"NAME={path.name}\n" for path in layout.all_env_files().values()}

    shutil.rmtree(layout.secrets)
    rewritten(folder, stack="other")
    with pytest.raises(Problem, match="of another stack: other"):
        attempt(layout, folder)
    assert not layout.secrets.exists()


def test_a_restore_that_was_killed_between_two_keys_is_finished_by_the_next(
    layout: Layout, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the stack would have some keys only, and make no others."""
    for path in (layout.keys / "private" / "b.pem", layout.keys / "public" / "a.pem"):
        path.parent.mkdir(exist_ok=True)
        write_private(path, "key")
    keys = {path: path.read_text() for path in layout.keys.rglob("*.pem")}
    shutil.rmtree(folder)
    backup.backup(layout, str(folder))
    monkeypatch.setattr(supervisor, "is_running", lambda _: False)
    for survived in range(len(keys)):
        shutil.rmtree(layout.secrets)
        left = iter(range(survived))

        def write(path: Path, text: str, mode: int, left: Iterator[int] = left) -> None:
            if path.suffix == ".pem" and next(left, None) is None:
                raise KeyboardInterrupt
            write_private(path, text, mode)

        with monkeypatch.context() as killed:
            killed.setattr(restore, "write_private", write)
            with pytest.raises(KeyboardInterrupt):
                attempt(layout, folder)
        with pytest.raises(Problem, match="enough"):
            attempt(layout, folder)
        found = {path: path.read_text() for path in layout.secrets.rglob("*.pem")}
        assert found == keys


def test_keys_of_second_factors_in_the_backup_come_to_those_that_are_here(
    layout: Layout, folder: Path
) -> None:
    """The dump has secrets that one of them has encrypted."""
    keys = layout.secrets / "factor_keys"
    (keys / "1.key").unlink()
    write_private(keys / "2.key", "as it is here")
    write_private(keys / "3.key", "3")
    restore.bring_factor_keys(layout, folder)
    texts = {path.name: path.read_text() for path in keys.iterdir()}
    assert texts == {"1.key": "1", "2.key": "as it is here", "3.key": "3"}
    assert (keys / "1.key").stat().st_mode & 0o777 == 0o400
