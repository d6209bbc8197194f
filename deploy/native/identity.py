"""Which user runs everything when root has called."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

from .problems import MISSING, Problem
from .programs import find

SYSTEM_USER = "memo-run"


def choose_user(root: Path) -> pwd.struct_passwd:
    """Asked for; owner of what is there; who called sudo; owner of the checkout; or
    a system user of our own. Not `postgres`: it owns the machine's databases."""
    named = os.environ.get("MEMO_USER")
    if named:
        return _by_name(named)
    for path in (root / ".run", root / ".secrets"):
        if path.exists() and (owner := _owner(path)):
            return owner
    caller = os.environ.get("SUDO_USER", "root")
    if caller != "root":
        return _by_name(caller)
    return _owner(root) or _system_user()


def _owner(path: Path) -> pwd.struct_passwd | None:
    """The owner, unless that is root."""
    uid = path.stat().st_uid
    if uid == 0:
        return None
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise Problem(
            f"{path} belongs to the user id {uid}, which has no name here.",
            hint="PostgreSQL needs one. Name a user: MEMO_USER=...",
        ) from None


def _by_name(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise Problem(f"There is no user {name}.", code=MISSING) from None


def _system_user() -> pwd.struct_passwd:
    """Our own system user: no home, no shell, nothing else on the machine is its."""
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    useradd = find("useradd")
    options = ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    if useradd:
        subprocess.run([useradd, *options, SYSTEM_USER], check=False)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        print("memo: no user of our own could be made; using nobody", file=sys.stderr)
        return _by_name("nobody")
