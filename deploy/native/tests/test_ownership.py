"""Files of another user, and what `destroy` leaves behind."""

import errno
import os
from pathlib import Path

import pytest

from deploy.native import cli, destroy, ownership
from deploy.native.layout import Layout
from deploy.native.problems import MISSING, Problem


@pytest.mark.parametrize("name", [".run", ".secrets"])
def test_a_checkout_of_somebody_else_is_one_clear_line(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    closed = layout.root / name
    monkeypatch.setattr(os, "geteuid", lambda: layout.base.stat().st_uid + 1)
    monkeypatch.setattr(os, "access", lambda path, _mode: path != closed)
    with pytest.raises(Problem, match="run by the user") as caught:
        ownership.insist_on_access(layout, "destroy --yes")
    assert caught.value.code == MISSING
    assert str(closed) in str(caught.value)
    assert "sudo ./manage_all.sh destroy --yes" in caught.value.hint


def test_our_own_checkout_is_ours(layout: Layout) -> None:
    ownership.insist_on_access(layout, "up")


def test_what_the_system_refuses_is_one_line_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    problem = ownership.told(PermissionError(errno.EACCES, "Permission denied", path))
    assert str(problem) == f"{path}: Permission denied."
    assert problem.hint.startswith(f"{tmp_path} belongs to ")
    full = ownership.told(OSError(errno.ENOSPC, "No space left on device", path))
    assert str(full) == f"{path}: No space left on device."
    assert not ownership.told(OSError("odd")).hint


@pytest.mark.parametrize("path", ["/x/y", b"/x/y"])
def test_no_command_ends_in_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    path: str | bytes,
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system", path)

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(ownership, "insist_on_access", lambda *_: None)
    monkeypatch.setattr(cli, "_dispatch", fail)
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err == "memo: /x/y: Read-only file system.\n"
    with pytest.raises(OSError, match="Read-only"):
        cli.main(["supervise"])


def test_destroy_leaves_no_empty_folder(layout: Layout) -> None:
    destroy.run(layout, ["--yes"])
    assert not layout.base.exists()
    assert not layout.secrets.exists()


def test_destroy_of_nothing_removes_empty_folders(layout: Layout) -> None:
    destroy.run(layout, ["--yes"])
    layout.base.mkdir()
    layout.secrets.mkdir()
    destroy.run(layout, [])
    assert not layout.base.exists()
    assert not layout.secrets.exists()


def test_folders_that_have_to_stay_stay_silently(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    destroy.remove_if_empty([tmp_path / "full", tmp_path / "none"])
    assert (tmp_path / "full").exists()
