"""The command line. `./manage_all.sh help` shows it.

It is read twice: by the Python that manage_all.sh has found, which makes the virtual
environment where there is none, and then by the Python of that environment.
"""

import argparse
import importlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import deploy.local.interruption  # noqa: F401 - first: from here, Ctrl-C is handled
from deploy import smoke_test

from . import (
    env_check,
    layout,
    manage,
    privileges,
    rotation,
    stack,
    status,
    supervisor,
    virtualenv,
)
from .files import read_env, read_text
from .layout import Layout
from .problems import INTERRUPTED, MISSING, Problem
from .secretfiles import KEY

HELP = Path(__file__).with_name("templates") / "help.txt"
# Carried out by a nox session of the same name, or by a module of it: their options.
SESSIONS = {
    "test": "[suite ...]",
    "verify": "",
    "audit": "[--osv-url URL]",
    "sbom": "[file]",
    "fuzz": "[--minutes N] [--seed N]",
    "model": "[--rules N] [--seed N] [--faults]",
    "mutate": "[--all | --id ID ... | --random N --seed N]",
    "bench": "[--path PATH ...] [--opponents NAME ...] [--against DIR ...]",
    "chaos": "[--minutes N] [--seed N] [--only WORD ...]",
    "attack": "[--url URL] [--api-key FILE] [--ca FILE] [--only WORDS]",
}
MODULES = {"doctor": "[--json] [--url URL]", "startservice": "<name>"}
# They work on what is there, and need no packages where nothing is.
MAKES_NOTHING = {"down", "status", "destroy", "logs", "start", "stop", "restart"}
MAKES_NOTHING |= {"demo", "doctor"}


def main(words: list[str]) -> int:
    """Run one command; its exit status."""
    os.umask(0o077)
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except Problem as problem:
        print(f"memo: {problem}", file=sys.stderr)
        return problem.code
    except BrokenPipeError:  # `logs | head`: the reader has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        print(f"memo: {name}{error.strerror or error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("memo: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(words: list[str]) -> int:
    if not words or words[0] in ("help", "-h", "--help"):
        print(HELP.read_text(encoding="utf-8"))
        return 0
    if sys.platform != "linux":
        raise Problem("This needs Linux.", hint="Elsewhere use Docker: README.md.")
    found = layout.of(os.environ.get("MEMO_STACK", ""))
    services = {service.name: service for service in found.services}
    options, more = None, words[1:]
    parser = _parser()
    if words[0] in COMMANDS:
        options, more = parser.parse_known_args(words)
        if more and words[0] not in {**SESSIONS, **MODULES}:
            parser.error(f"{words[0]} does not take: {' '.join(more)}")
    if os.geteuid() == 0:
        if not privileges.CODE_WRITERS & set(words[:2]):
            privileges.become_ordinary(found, words)
        found = privileges.layout_of_root(found)
    else:
        privileges.insist_on_ownership(found)
    _enter_environment(found, words)
    if options:
        return COMMANDS[words[0]](found, options, more) or 0
    if not found.keys.exists() and os.geteuid():
        stack.init(found)
    if "check" in words[:2] and "--help" not in words:
        for fault in env_check.ask(found):
            print(f"memo: {fault}", flush=True)
    if words[0] in services:
        return manage.run_in(found, services[words[0]], more)
    return manage.run_everywhere(found, words)


def _enter_environment(found: Layout, words: list[str]) -> None:
    """Continue in the virtual environment, which is made where it is missing."""
    if words[0] not in MAKES_NOTHING:
        requirements = virtualenv.DEV if words[0] in SESSIONS else virtualenv.RUNTIME
        virtualenv.ensure(found, requirements)
    if sys.prefix != str(found.venv) and os.access(found.python, os.X_OK):
        program = str(found.python)
        os.execv(program, [program, "-E", "-s", "-m", "deploy.local", *words])  # noqa: S606


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("./manage_all.sh")
    commands = parser.add_subparsers(dest="command", metavar="command")
    more = {**SESSIONS, **MODULES}  # They read their own options.
    add, text = {}, HELP.read_text(encoding="utf-8")
    for name in COMMANDS:
        what = re.search(rf"^  {name}\b.*?  (\S.*)$", text, re.MULTILINE)
        usage = f"./manage_all.sh {name} {more[name]}" if name in more else None
        command = commands.add_parser(
            name, usage=usage, description=what[1] if what else None
        )
        add[name] = command.add_argument
    for name, count in (("start", "+"), ("stop", "+"), ("restart", "*"), ("logs", "?")):
        add[name]("process", nargs=count)
    add["logs"]("-f", "--follow", action="store_true", help="print what comes, too")
    add["status"]("--json", action="store_true", help="for programs")
    add["destroy"]("--yes", action="store_true", help="do not ask")
    add["rotateapikeys"]("--step", choices=rotation.STEPS, help="one step, not all")
    add["rotateapikeys"]("services", nargs="*", help="caller, or caller and callee")
    return parser


def _session(found: Layout, options: argparse.Namespace, more: list[str]) -> int:
    """What proves the product is a matter of its own."""
    words = ["-m", "nox", "-f", str(found.root / "noxfile.py"), "-s", options.command]
    os.execv(found.python, [str(found.python), *words, "--", *more])  # noqa: S606


def _module(found: Layout, options: argparse.Namespace, more: list[str]) -> int | None:
    module = importlib.import_module(f"{__package__}.{options.command}")
    return int(module.run(found, more) or 0)


def _demo(found: Layout) -> None:
    if not supervisor.is_running(found):
        hint = f"Start it: {found.command} up"
        raise Problem("The stack is not running.", hint=hint, code=MISSING)
    auth = next(service for service in found.services if service.name == "auth")
    key = read_text(found.secrets / KEY.format("users", "auth")).strip()
    address = f"http://{read_env(auth.env_file)['BIND']}"
    service = smoke_test.Client(address, **{"X-Internal-Api-Key": key})
    smoke_test.run(read_env(found.gateway_env)["GATEWAY_PUBLIC_URL"], service=service)


COMMANDS: dict[str, Callable[[Layout, argparse.Namespace, list[str]], int | None]] = {
    "up": lambda found, _o, _m: stack.up(found),
    "down": lambda found, _o, _m: stack.down(found),
    "init": lambda found, _o, _m: stack.init(found),
    "status": lambda found, o, _m: status.show(found, as_json=o.json),
    "logs": lambda found, o, _m: status.logs(found, o.process, follow=o.follow),
    "start": lambda found, o, _m: stack.start(found, o.process),
    "stop": lambda found, o, _m: stack.stop(found, o.process),
    "restart": lambda found, o, _m: stack.restart(found, o.process),
    "destroy": lambda found, o, _m: stack.destroy(found, confirmed=o.yes),
    "rotateapikeys": lambda found, o, _m: rotation.rotate(found, o.step, o.services),
    "demo": lambda found, _o, _m: _demo(found),
    **dict.fromkeys(SESSIONS, _session),
    **dict.fromkeys(MODULES, _module),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
