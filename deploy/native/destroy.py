"""`destroy`: stop everything and remove what `up` and `init` made."""

import contextlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from . import lifecycle, running
from .layout import Layout, all_stacks
from .problems import USAGE, Problem


def run(layout: Layout, arguments: Sequence[str]) -> None:
    if [*arguments] not in ([], ["--yes"]):
        raise Problem("Usage: destroy [--yes]", code=USAGE)
    doomed = _doomed(layout)
    if not doomed:
        remove_if_empty(_folders(layout))
        print("memo: there is nothing to remove")
        return
    if not arguments:
        _ask(doomed)
    folders = _folders(layout)
    for stack in _stacks(layout):
        with lifecycle.command_lock(stack):
            running.end(stack)
    for path in doomed:
        _empty(path)
    remove_if_empty(folders)
    print("memo: removed; the .env files are yours and stay")


def remove_if_empty(folders: Sequence[Path]) -> None:
    """Where the folder they lie in is not ours they have to stay, and may."""
    for path in folders:
        with contextlib.suppress(OSError):
            path.rmdir()


def _doomed(layout: Layout) -> list[Path]:
    return [path for path in _folders(layout) if path.exists() and any(path.iterdir())]


def _folders(layout: Layout) -> list[Path]:
    """The folders that go. The primary stack's state holds those of all others."""
    folders = [layout.state, layout.secrets]
    folders += [stack.sockets for stack in _stacks(layout)]
    return [
        path
        for path in dict.fromkeys(folders)
        if not any(other in path.parents for other in folders)
    ]


def _stacks(layout: Layout) -> list[Layout]:
    return [layout] if layout.stack else all_stacks(layout.root)


def _ask(doomed: Sequence[Path]) -> None:
    print("This removes, for good, with all databases, accounts, keys and secrets:")
    for path in doomed:
        print(f"  {path}")
    insist_on_yes("./manage_all.sh destroy --yes")


def insist_on_yes(unasked: str) -> None:
    """The answer of a person, or a Problem. `unasked` is the command without one."""
    if not sys.stdin.isatty():
        raise Problem("Nobody is here to say yes.", hint=unasked)
    if input("Type `yes` to go on: ").strip() != "yes":
        raise Problem("Nothing was removed.")


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
