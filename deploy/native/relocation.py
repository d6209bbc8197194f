"""A checkout that the dropped user cannot enter (/root is closed to everyone).

Its permissions are not ours to change. So root keeps a copy of the code under
/var/lib/memo, and everything runs there. Settings and secrets are carried both ways,
the newer one wins, so that `.env` is edited, and Compose started, in the checkout.
"""

import os
import pwd
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from .layout import fingerprint
from .problems import Problem

COPIES = Path("/var/lib/memo")
# State and what tools leave; settings and secrets go another way.
LEFT_BEHIND = {".git", ".run", ".secrets", ".env", ".env.migrate", "__pycache__"}
LEFT_BEHIND |= {".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", "node_modules"}


def copy_of(root: Path) -> Path:
    return COPIES / fingerprint(str(root))


def mirror(root: Path, user: pwd.struct_passwd) -> Path:
    """Bring the copy up to date. It belongs to root; the user may only read it."""
    copy = copy_of(root)
    COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    COPIES.chmod(0o755)
    _mirror_folder(root, copy, user.pw_gid)
    return copy


def run_and_carry_back(
    root: Path, copy: Path, start: Callable[[], None], verb: str
) -> int:
    """Run `start` in a child, then fetch what it made."""
    _carry(root, copy)
    status = run_as_child(start)
    if verb == "destroy" and not any((copy / ".run").glob("*")):
        shutil.rmtree(copy)
        shutil.rmtree(root / ".secrets", ignore_errors=True)
    else:
        _carry(copy, root)
    return status


def run_as_child(start: Callable[[], None]) -> int:
    """Run `start` in a child, which becomes the command; returns its exit status."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            start()
        except Problem as problem:
            print(f"memo: {problem}\n  {problem.hint}", file=sys.stderr)
        finally:
            os._exit(1)
    return _wait(child)


def _wait(child: int) -> int:
    """Signals are the child's: it shares our terminal, or is sent them by us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _mirror_folder(source: Path, target: Path, group: int) -> None:
    target.mkdir(exist_ok=True)
    os.chown(target, 0, group)
    target.chmod(0o750)
    names = {entry.name for entry in os.scandir(source)} - LEFT_BEHIND
    for entry in list(os.scandir(target)):
        if entry.name not in names | LEFT_BEHIND:
            _remove(entry)
    for name in sorted(names):
        path = source / name
        if path.is_dir() and not path.is_symlink():
            _mirror_folder(path, target / name, group)
        elif path.is_file():
            _mirror_file(path, target / name, group)


def _mirror_file(source: Path, target: Path, group: int) -> None:
    found = source.stat()
    if target.exists() and _same(found, target.stat()):
        return
    shutil.copy2(source, target)
    os.chown(target, 0, group)
    target.chmod(0o750 if found.st_mode & stat.S_IXUSR else 0o640)


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        os.unlink(entry.path)


def _carry(source: Path, target: Path) -> None:
    for path in _personal(source):
        place = target / path.relative_to(source)
        if place.parent.is_dir() or ".secrets" in place.parts:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _carry_file(path, place)


def _personal(folder: Path) -> Iterator[Path]:
    """Settings and secrets."""
    for pattern in (".env", "*_project/.env", "*_project/.env.migrate"):
        yield from folder.glob(pattern)
    yield from (path for path in folder.glob(".secrets/**/*") if not path.is_dir())


def _drop_secrets(root: Path, copy: Path) -> None:
    """Those that are gone from the copy: the next command would bring them back."""
    for path in root.glob(".secrets/*"):
        if path.is_file() and not (copy / path.relative_to(root)).exists():
            path.unlink()


def _carry_file(source: Path, target: Path) -> None:
    """Copy the newer one over, owner and times included. One side belongs to another
    user: no link is followed, and nothing is written through."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if target.exists() and target.lstat().st_mtime_ns >= found.st_mtime_ns:
            return
        content = file.read()
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    made = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(made, "wb") as file:
        file.write(content)
        os.fchown(made, found.st_uid, found.st_gid)
        os.fchmod(made, stat.S_IMODE(found.st_mode))
    os.utime(fresh, ns=(found.st_atime_ns, found.st_mtime_ns))
    fresh.replace(target)
