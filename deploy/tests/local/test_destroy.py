"""What `destroy` removes, and what outlives it."""

import sys
from pathlib import Path

import pytest

from deploy.local import backup, stack
from deploy.local.problems import Problem
from deploy.local.servers import supervisor
from deploy.local.setup.files import write_private
from deploy.local.setup.layout import Layout


@pytest.fixture(autouse=True)
def _none_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "end", lambda _: True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A backup in which no user was erased."""
    path = tmp_path / "backup"
    path.mkdir()
    (path / backup.ERASURES).touch()
    return path


@pytest.mark.parametrize("name", ["", "drill"])
def test_destroy_names_what_it_deletes_and_leaves_the_rest(
    layout: Layout, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Also in the copy of a checkout that only root can read. A named stack's end is
    not that of the primary."""
    chosen = Layout(layout.root, name)
    primary, backups = layout.root / ".run" / "postgres", layout.backups
    for folder in (primary, backups, chosen.state):
        folder.mkdir(parents=True, exist_ok=True)
    with pytest.raises(Problem) as caught:
        stack.destroy(chosen, confirmed=False)
    assert f"\n  {chosen.state}" in str(caught.value)
    assert primary.exists()
    assert str(backups) not in str(caught.value)
    stack.destroy(chosen, confirmed=True)
    assert not chosen.state.exists()
    assert primary.exists() is bool(name)
    assert backups.exists()
    assert f"{backups}\n" in capsys.readouterr().out


def test_erasures_outlive_the_stack_as_its_backups_do(
    layout: Layout, folder: Path
) -> None:
    """PRIV-05. Or a user who was erased since the backup would return with it, also if
    its folder is elsewhere."""
    write_private(layout.erasures / "users.log", "a 1\n")
    stack.destroy(layout, confirmed=True)
    assert not layout.erasures.exists()
    layout.erasures.mkdir(parents=True)
    assert backup.merge_erasures(layout, folder).read_text() == "a 1\n"


def test_destroy_needs_no_packages(
    layout: Layout, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in a folder that somebody may have deleted, and secrets in another."""
    write_private(layout.erasures / "users.log", "a 1\n")
    [users] = (service for service in layout.services if service.name == "users")
    write_private(users.env_file, "DEBUG=false\n")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "environ", None)
        stack.destroy(layout, confirmed=True)
    layout.erasures.mkdir(parents=True)
    assert backup.merge_erasures(layout, folder).read_text() == "a 1\n"


def test_erasures_of_one_stack_are_none_of_another(
    layout: Layout, folder: Path
) -> None:
    """PRIV-05. A restored account that a drill with an older backup has erased."""
    drill = Layout(layout.root, "drill")
    drill.erasures.mkdir(parents=True)
    write_private(drill.erasures / "users.log", "a 1\n")
    stack.destroy(drill, confirmed=True)
    assert backup.merge_erasures(layout, folder).read_text() == ""
    drill.erasures.mkdir(parents=True)
    assert backup.merge_erasures(drill, folder).read_text() == "a 1\n"


def test_erasures_are_where_the_user_service_writes_them(
    layout: Layout, folder: Path, tmp_path: Path
) -> None:
    """PRIV-05. On another volume than the databases."""
    (tmp_path / "volume").mkdir()
    moved = tmp_path / "volume" / "users.log"
    write_private(layout.erasures / "users.log", "a 1\n")
    write_private(moved, "b 2\n")
    [users] = (service for service in layout.services if service.name == "users")
    write_private(users.env_file, f"ERASURES_FILE={moved}\n")
    assert backup.merge_erasures(layout, folder) == moved
    assert moved.read_text() == "b 2\na 1\n"
    stack.destroy(layout, confirmed=True)
    users.env_file.unlink()  # Settings of a backup from before come back with it.
    layout.erasures.mkdir(parents=True)
    assert backup.merge_erasures(layout, folder).read_text() == "b 2\na 1\n"


def test_erasures_here_and_in_the_backup_are_all_kept(
    layout: Layout, folder: Path
) -> None:
    """PRIV-05. The backup may be older, or of a machine that is lost."""
    here = layout.erasures / "users.log"
    assert backup.merge_erasures(layout, folder) == here
    assert here.read_text() == ""
    write_private(here, "a 1\nb 2\n")
    (folder / backup.ERASURES).write_text("b 2\nc 3\n")
    backup.merge_erasures(layout, folder)
    assert here.read_text() == "a 1\nb 2\nc 3\n"
    assert here.stat().st_mode & 0o777 == 0o600
    (folder / backup.ERASURES).unlink()  # of an earlier version
    backup.merge_erasures(layout, folder)
    assert here.read_text() == "a 1\nb 2\nc 3\n"
