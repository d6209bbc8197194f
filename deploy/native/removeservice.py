"""`removeservice`: what `startservice` wrote, and all that `up` made of it."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from . import configure, destroy, lifecycle, running, secretfiles, startservice
from .layout import Layout, all_stacks
from .problems import USAGE, Problem
from .service_names import code_of
from .services import NAME, Service, discover

NEEDED = ("auth", "users")
# Said by root to the user it has become, who may not remove what lies in a checkout
# of root's: root does that itself.
CODE_STAYS = "--code-stays"
SHOWN = 10


def run(layout: Layout, arguments: Sequence[str]) -> None:
    """Data and settings first and the code last: by it an interrupted removal is
    found, and can be repeated."""
    name, root = name_in(arguments), layout.root
    _insist_on_removable(root, name)
    if CODE_STAYS not in arguments and not os.access(root, os.W_OK):
        raise Problem(f"{root} may not be written to by you, who would remove code.")
    if "--yes" not in arguments:
        _ask(root, name)
    with contextlib.ExitStack() as held:
        stacks = [stack for stack in all_stacks(root) if stack.state.is_dir()]
        for stack in stacks:
            held.enter_context(lifecycle.command_lock(stack))
            _stop(stack)
        for stack in stacks:
            _forget(stack, name)
    if CODE_STAYS not in arguments:
        remove_code(root, name)
    print(f"memo: the service {name} is removed; next: {layout.command} up")


def name_in(arguments: Sequence[str]) -> str:
    words = [word for word in arguments if word not in ("--yes", CODE_STAYS)]
    if len(words) != 1:
        raise Problem("Usage: removeservice <name> [--yes]", code=USAGE)
    return words[0]


def remove_code(root: Path, name: str) -> None:
    for path in code_of(root, name):
        _remove(path)


def _insist_on_removable(root: Path, name: str) -> None:
    if name in NEEDED:
        raise Problem(f"Nothing works without {name}; it stays.", code=USAGE)
    is_there = NAME.fullmatch(name) and any(p.exists() for p in code_of(root, name))
    if not is_there:
        others = [each.name for each in discover(root) if each.name not in NEEDED]
        hint = f"There are: {', '.join(others)}" if others else "There are none to go."
        raise Problem(f"There is no service {name}.", hint=hint, code=USAGE)


def _ask(root: Path, name: str) -> None:
    print("This removes, for good:")
    for path in code_of(root, name):
        print(f"  {path}")
    changed = _changed(root, name)
    for each in changed[:SHOWN]:
        print(f"    changed or added since it was generated: {each}")
    if len(changed) > SHOWN:
        print(f"    and {len(changed) - SHOWN} more")
    print(f"  everything in the database of {name}, its logs, secrets and settings,")
    print("  in every stack of this checkout; what runs is stopped")
    destroy.insist_on_yes(f"./manage_all.sh removeservice {name} --yes")


def _changed(root: Path, name: str) -> list[str]:
    """Files that are not as the templates would make them today."""
    made = startservice.rendered(name)
    project, routes = code_of(root, name)
    found = [
        path
        for path in sorted([*project.rglob("*"), routes])
        if path.is_file() and "__pycache__" not in path.parts
    ]
    contents = {
        str(path.relative_to(root)): path.read_bytes()
        for path in found
        if path.name not in (".env", ".env.migrate")
    }
    return [
        path for path, text in contents.items() if made.get(path, "").encode() != text
    ]


def _stop(stack: Layout) -> None:
    """All of it: the gateway and the other services know the one that goes."""
    if running.is_running(stack):
        print(f"memo: what runs is stopped; afterwards: {stack.command} up")
    running.end(stack)


def _forget(stack: Layout, name: str) -> None:
    """Everything of the service in one stack, but its code."""
    others = [service for service in discover(stack.root) if service.name != name]
    gone = Service(name, code_of(stack.root, name)[0], 0)
    configure.forget(stack, gone, others)
    secretfiles.forget(stack, gone, others)
    for process in (gone.name, gone.database):
        for path in stack.logs.glob(f"{process}.log*"):
            _remove(path)
        _remove(stack.work(process))
        _remove(stack.socket_folder(process))
    _remove(stack.state / "postgres" / name)
    _remove(stack.base / "pycache" / gone.project.relative_to("/"))
    _remove(stack.gateway / "conf" / "services" / f"{name}.conf")
    if stack.stack:  # Those of the primary one lie with the code.
        _remove(gone.env_file(stack))
        _remove(gone.migrate_env_file(stack))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
