"""`.env` files as services read them, private files and locks."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from deploy.local.configure import complete
from deploy.local.files import locked, read_env, write_private

OURS = {"PORT": r"\d+", "GONE": "ours"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=two words", "two words"),
        ('NAME="two words"', "two words"),
        ("NAME='it is $5'", "it is $5"),
        ("NAME=", ""),
        ("export NAME=x=y", "x=y"),
        ("NAME=abc#def", "abc#def"),
    ],
)
def test_a_value_is_what_the_services_read(
    tmp_path: Path, line: str, value: str
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"# a comment\n\n{line}\n")
    assert read_env(path) == {"NAME": value}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "PORT=2\nNEW=x\n"),
        ("# mine\nPORT=1\n", "# mine\nPORT=2\nNEW=x\n"),
        ('PORT="1"\nNEW=y\n', "PORT=2\nNEW=y\n"),
        ("PORT=https\nNEW=\n", "PORT=https\nNEW=\n"),
        ("GONE=ours\nPORT=1\nNEW=\n", "PORT=2\nNEW=\n"),
        ("GONE=mine\nPORT=1\nNEW=\n", "GONE=mine\nPORT=2\nNEW=\n"),
        ("what is this\n", "what is this\nPORT=2\nNEW=x\n"),
    ],
)
def test_a_file_is_completed_and_only_our_values_change(
    before: str, after: str
) -> None:
    assert complete(before, "PORT=2\nNEW=x\n", OURS) == after


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_link_in_a_folder_of_root_s_is_not_followed(tmp_path: Path) -> None:
    """There is no renaming into such a folder, so the file is written in place."""
    target, folder = tmp_path / "target", tmp_path / "closed"
    folder.mkdir()
    target.write_text("old")
    (folder / "link").symlink_to(target)
    folder.chmod(0o500)
    with pytest.raises(OSError, match="symbolic links"):
        write_private(folder / "link", "new")
    folder.chmod(0o700)  # so that it can be removed
    assert target.read_text() == "old"


def test_a_lock_is_waited_for_and_ends_with_its_holder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["flock", str(tmp_path / "lock"), "sh", "-c", "echo held; exec sleep 60"]
    holder = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    threading.Timer(0.3, os.killpg, (holder.pid, 9)).start()
    with locked(tmp_path / "lock", "waiting"):
        assert capsys.readouterr().out == "waiting\n"
    holder.communicate()
