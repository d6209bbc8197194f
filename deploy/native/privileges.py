"""Root runs nothing here: whoever starts us as root, we become another user once, at
the top, for everything. PostgreSQL refuses root, and one owner means no mixed files.
"""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

from . import destroy, gateway, identity, linux, relocation
from . import layout as layouts
from .envfiles import read
from .problems import MISSING, Problem
from .services import discover

PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
WORKS = "import sys, ssl, ctypes, venv; sys.exit(sys.version_info < (3, 11))"
# Of the caller's environment these mean root's own places.
ROOTS_OWN = ("XDG_", "PYTHON", "PYENV", "VIRTUAL_ENV", "MAIL", "SUDO_", "LS_COLORS")
# Commands that may be somebody's first, and so say as whom they run.
FIRST = {"up", "init", "test", "bench", "attack", "audit", "chaos", "fuzz"}
FIRST |= {"model", "mutate", "verify"}


def become_ordinary(root: Path, arguments: list[str]) -> int:
    """Run this command again as the user that runs everything."""
    user = identity.choose_user(root)
    if arguments[0] in FIRST:
        _say(f"root runs nothing here; everything runs as {user.pw_name}")
    if as_user(user, partial(_can_read, root)):
        if arguments[0] != "destroy":
            _start(root, user, arguments)
        status = relocation.run_as_child(partial(_start, root, user, arguments))
    else:
        copy = relocation.mirror(root, user)
        _say(f"{user.pw_name} cannot read {root}; working in a copy, {copy}")
        start = partial(_start, copy, user, arguments)
        status = relocation.run_and_carry_back(root, copy, start, arguments[0])
    if status == 0:
        _finish(root, arguments)
    return status


def _finish(root: Path, arguments: list[str]) -> None:
    """What lies in a checkout of root's, root alone can remove: the folders that the
    user has emptied (only empty ones, and through no link: that is what rmdir does),
    and the code of a service."""
    if arguments[0] == "destroy" and not os.environ.get("MEMO_STACK"):
        destroy.remove_if_empty([root / ".run", root / ".secrets"])


def _start(root: Path, user: pwd.struct_passwd, arguments: list[str]) -> NoReturn:
    hand_over(root, user)
    python = _find_python(user)
    env = _environment(root, user)
    _drop(user, low_ports=_wants_low_port(root))
    if not os.access(Path.cwd(), os.R_OK | os.X_OK):
        os.chdir(root)
    command = [python, "-I", str(root / "deploy" / "native"), *arguments]
    os.execve(python, command, env)  # noqa: S606 (a shell is what we avoid)


def _can_read(root: Path) -> bool:
    """Whether the code can be run: a checkout made under umask 077 can not."""
    codes = [root / "deploy" / "native" / "cli.py"]
    codes += [service.project / "manage.py" for service in discover(root)]
    return all(os.access(path, os.R_OK) for path in codes)


def hand_over(root: Path, user: pwd.struct_passwd) -> None:
    """Give the user the few places it writes to in a checkout that is not its own."""
    if root.stat().st_uid == user.pw_uid:
        return
    for name in (".run", ".secrets"):
        (root / name).mkdir(mode=0o700, exist_ok=True)
        _give(root / name, user)
    files = [root / ".env"]
    for service in discover(root):
        files += [service.project / ".env", service.project / ".env.migrate"]
    for path in files:
        if not os.path.lexists(path):  # Touching would look like a change.
            path.touch(mode=0o600)
        _give(path, user)


def as_user(user: pwd.struct_passwd, question: Callable[[], bool]) -> bool:
    """The answer to a yes-or-no question, asked as that user in a child process."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            _drop(user)
            os._exit(0 if question() else 1)
        except BaseException:  # noqa: BLE001 (a child must never return from here)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _give(path: Path, user: pwd.struct_passwd) -> None:
    """Only what is root's, and never through a link."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise Problem(f"{path} is a symbolic link; as root that is not followed.")
    if found.st_uid == 0:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _drop(user: pwd.struct_passwd, *, low_ports: bool = False) -> None:
    if low_ports:
        linux.keep_capabilities_over_setuid()
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if low_ports:
        linux.keep_only_low_ports()


def _wants_low_port(root: Path) -> bool:
    file = layouts.of(root, os.environ.get("MEMO_STACK", "")).gateway_env
    text = os.environ.get("GATEWAY_PORT") or read(file).get("GATEWAY_PORT", "")
    return text.isdigit() and gateway.needs_privilege(int(text))


def _environment(root: Path, user: pwd.struct_passwd) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ROOTS_OWN)
    }
    home = str(root / ".run" / "home")
    names = {"USER": user.pw_name, "LOGNAME": user.pw_name}
    return {**kept, **names, "HOME": home, "SHELL": "/bin/sh"}


def _find_python(user: pwd.struct_passwd) -> str:
    """A Python that this user can run: root's may be a shim in /root."""
    named = os.environ.get("MEMO_PYTHON", "")
    places = ("/usr/local/bin", "/usr/bin", "/bin")
    fixed = [f"{place}/{name}" for name in PYTHONS for place in places]
    on_path = filter(None, (shutil.which(name) for name in PYTHONS))
    for candidate in dict.fromkeys([named, *on_path, *fixed]):
        if candidate and as_user(user, partial(_runs, candidate)):
            return candidate
    raise Problem(
        f"No Python 3.11 or newer that the user {user.pw_name} can run.",
        hint="Debian, Ubuntu: apt install python3 python3-venv."
        " Or name one: MEMO_PYTHON=/usr/local/bin/python3",
        code=MISSING,
    )


def _runs(python: str) -> bool:
    done = subprocess.run(
        [python, "-I", "-c", WORKS],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode == 0


def _say(message: str) -> None:
    """Beside the output, which a program may be reading."""
    print(f"memo: {message}", file=sys.stderr, flush=True)
