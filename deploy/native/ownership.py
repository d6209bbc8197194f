"""Whose files these are: told in one line when they are somebody else's."""

import os
import pwd
from pathlib import Path

from .layout import Layout
from .problems import FAILED, MISSING, Problem


def insist_on_access(layout: Layout, arguments: str) -> None:
    """A checkout that root or a colleague has started is theirs to go on with."""
    for path in (layout.base, layout.root / ".secrets"):
        if path.is_dir() and not _is_open(path):
            owner = owner_of(path)
            raise Problem(
                f"This checkout is run by the user {owner}, who owns {path}.",
                hint=f"Go on as that user or as root: sudo {layout.command}"
                f" {arguments}\n  Or use a checkout of your own.",
                code=MISSING,
            )


def told(error: OSError) -> Problem:
    """What the system refused, and where."""
    reason = error.strerror or str(error)
    if not error.filename:
        return Problem(f"The system refused: {reason}.")
    path = Path(os.fsdecode(error.filename))
    hint = ""
    if isinstance(error, PermissionError):
        nearest = _nearest(path)
        me = _name(os.geteuid())
        hint = f"{nearest} belongs to {owner_of(nearest)}; you are {me}."
    return Problem(f"{path}: {reason}.", hint=hint, code=FAILED)


def _is_open(path: Path) -> bool:
    """Ours, even where the disk is read-only; or shared with us."""
    mine = path.stat().st_uid == os.geteuid()
    return mine or os.access(path, os.R_OK | os.W_OK | os.X_OK)


def owner_of(path: Path) -> str:
    try:
        return _name(path.stat().st_uid)
    except OSError:
        return "somebody else"


def _nearest(path: Path) -> Path:
    """The path or the first folder above it that we may look at."""
    for candidate in (path, *path.parents):
        if os.path.lexists(candidate):
            return candidate
    return path


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"
