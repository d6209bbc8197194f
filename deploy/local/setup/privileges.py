"""No stack runs as root: a command that root calls continues as an ordinary user.

PostgreSQL refuses root, and one user for all means one owner of all files. Root never
writes, hands over or follows a path that this user can write: it may be a link by now.
"""

import os
import pwd
import subprocess
import sys
from pathlib import Path

from deploy.local.problems import MISSING, Problem

from .layout import Layout, short_hash

SYSTEM_USER = "memo-run"
COPIES = Path("/var/lib/memo")
# They write source files, so they run as the owner of the files, even as root.
CODE_WRITERS = {"makemigrations", "squashmigrations", "optimizemigration"}
CODE_WRITERS |= {"makemessages", "startapp", "startservice"}
# It removes files from the copy that left the checkout, and keeps all others.
UNPACK = """
umask 077
tar -xv --quoting-style=literal >.copied.new || exit
[ ! -f .copied ] || grep -vxF -f .copied.new .copied |
    while IFS= read -r name; do rm -f -- "$name"; done
mv .copied.new .copied
"""
# Prefixes of the variables that name places of root's own.
ROOTS_OWN = ("XDG_", "PYTHON", "PYENV", "VIRTUAL_ENV", "MAIL", "SUDO_", "LS_COLORS")


def drop(layout: Layout, words: list[str]) -> Layout:
    """Become the user that may run this command; returns the layout for it. Root
    becomes the user that started the checkout. Any other user gets a Problem."""
    if os.geteuid() == 0:
        if not CODE_WRITERS & set(words[:2]):
            _become_ordinary(layout, words)
        if words[0] != "startservice" and not layout.keys.exists():
            text = f"This needs settings, and no settings are in {layout.root}."
            hint = f"chmod -R a+rX {layout.root}, then {layout.command} init"
            raise Problem(text, hint=hint, code=MISSING)
        # Its Python packages are in a folder that root alone can write.
        base = COPIES / f"{short_hash(str(layout.root))}-root"
        return Layout(layout.root, layout.stack, base)
    for path in (layout.base, layout.root / ".secrets"):
        if path.is_dir() and path.stat().st_uid != os.geteuid():
            text = f"The user {path.owner()} runs this checkout, and owns {path}."
            hint = "Continue as that user or as root, or use a checkout of your own."
            raise Problem(text, hint=hint, code=MISSING)
    return layout


def _become_ordinary(layout: Layout, words: list[str]) -> None:
    """Run this command as the ordinary user; does not return."""
    root, copy = layout.root, COPIES / short_hash(str(layout.root))
    user = _user(root / ".run", root / ".secrets", copy, root)
    drop = ["/usr/bin/setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}"]
    # setpriv itself still has root's rights when it starts a program; env has not.
    drop += ["--init-groups", "--", "/usr/bin/env"]
    code = [root / "deploy/local", *(service.project for service in layout.services)]
    seen = subprocess.run([*drop, "ls", *code], capture_output=True, check=False)
    if seen.returncode == 0:
        _hand_over(layout, user)
    else:
        _copy(root, copy, user, drop)
        _say(f"{user.pw_name} cannot read {root}. Everything runs in the copy {copy},")
        _say(f"which has its own settings: {copy}/.env, {copy}/*_project/.env")
        if words[0] == "init":
            _say("Containers need a checkout that this user can read, like /srv/memo.")
        root = copy
    if words[0] in ("up", "init", "test", "verify"):
        _say(f"nothing runs as root; everything runs as {user.pw_name}")
    env = {k: v for k, v in os.environ.items() if not k.startswith(ROOTS_OWN)}
    env |= {"USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": "/bin/sh"}
    env["HOME"] = str(root / ".run" / "home")
    # That script finds a Python that this user can run: root's may be in /root.
    command = [*drop, str(root / "manage_all.sh"), *words]
    os.execve(command[0], command, env)  # noqa: S606 (no shell is wanted)


def _user(*places: Path) -> pwd.struct_passwd:
    """The first owner of these places that is not root; else a system user of our own,
    which owns nothing else on the machine. PostgreSQL needs a user with a name."""
    owners = [path.stat().st_uid for path in places if path.exists()]
    try:
        if uid := next(filter(None, owners), 0):
            return pwd.getpwuid(uid)
        make = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false"]
        subprocess.run([*make, SYSTEM_USER], capture_output=True, check=False)
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError as exc:
        raise Problem(f"There is no such user: {exc}.") from None


def _hand_over(layout: Layout, user: pwd.struct_passwd) -> None:
    """Make the few places that the user writes to, in folders that stay root's."""
    if layout.root.stat().st_uid == user.pw_uid:
        return
    primary = Layout(layout.root)
    for path in primary.all_env_files().values():
        if not os.path.lexists(path):
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            os.fchown(descriptor, user.pw_uid, user.pw_gid)
            os.close(descriptor)
    for path in (primary.base, primary.secrets, primary.backups):
        _make_folder(path, user)


def _make_folder(path: Path, user: pwd.struct_passwd) -> None:
    if not os.path.lexists(path):
        path.mkdir(mode=0o700)
        os.chown(path, user.pw_uid, user.pw_gid)


def _copy(root: Path, copy: Path, user: pwd.struct_passwd, drop: list[str]) -> None:
    """Bring the user's copy of the code up to date: files that git lists, new ones too.
    Root only reads, into a pipe; the user unpacks."""
    COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    COPIES.chmod(0o755)
    _make_folder(copy, user)
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=root, capture_output=True, check=False).stdout
    names = [name for name in listed.split(b"\0") if name]
    there = [x for x in names if os.path.lexists(root / os.fsdecode(x))]
    if not there:
        text = f"Other users cannot read {root}, and git lists no files to copy."
        hint = f"chmod -R a+rX {root}, or move the checkout."
        raise Problem(text, hint=hint, code=MISSING)
    pack = ["tar", "-c", "--null", "--no-recursion", "-C", str(root), "-T", "-"]
    unpack = [*drop, "/bin/sh", "-c", UNPACK]
    with subprocess.Popen(unpack, cwd=copy, stdin=subprocess.PIPE) as unpacking:
        listing, pipe = b"\0".join(there), unpacking.stdin
        packed = subprocess.run(pack, input=listing, stdout=pipe, check=False)
    if packed.returncode or unpacking.returncode:
        raise Problem(f"The code could not be copied to {copy}.")


def _say(message: str) -> None:
    """On standard error: a program may read the output."""
    print(f"memo: {message}", file=sys.stderr, flush=True)
