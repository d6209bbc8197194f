"""The command line. `./manage_all.sh help` shows it.

It runs twice: under the Python that manage_all.sh has found, which makes the virtual
environment if needed, and then under the Python of that environment.
"""

import argparse
import os
import re
import signal
import sys

from . import interruption  # isort: skip - handles Ctrl-C during the imports
from deploy import smoke_test

from . import backup, doctor, manage, restore, rotation, stack, startservice
from .problems import INTERRUPTED, Problem
from .servers import processes, supervisor
from .setup import layout, privileges, virtualenv
from .setup.files import read_env, read_text
from .setup.layout import Layout
from .setup.secretfiles import KEY
from .startservice import HELP

# Commands that parse their own options. `python -m deploy` runs the proofs.
PROOFS = {
    "test": "[suite ...]",
    "verify": "",
    "audit": "[--osv-url URL]",
    "sbom": "",
    "fuzz": "[--minutes N] [--seed N]",
    "model": "[--rules N] [--seed N] [--faults]",
    "mutate": "[--all | --id ID ...]",
    "bench": "[--path PATH ...] [--opponents NAME ...] [--against DIR ...] [--sizes N]",
    "chaos": "[--minutes N] [--seed N]",
    "attack": "[--url URL] [--api-key FILE] [--ca FILE] [--only WORDS]",
}
MODULES = {"doctor": "[--url URL] [--mail ADDRESS]", "startservice": "<name>"}
MODULES |= {"mail": "[--link]"}
OTHERS = "up down init status logs start stop restart destroy rotateapikeys demo"
OTHERS += " backup restore"
COMMANDS = [*OTHERS.split(), *PROOFS, *MODULES]
# Commands that only use what exists, and never install the Python packages.
MAKES_NOTHING = {"down", "status", "destroy", "logs", "start", "stop", "restart"}
MAKES_NOTHING |= {"demo", "doctor"}


def main(words: list[str]) -> int:
    """Run one command and return its exit status."""
    os.umask(0o077)
    for number in interruption.SIGNALS:
        signal.signal(number, interruption.interrupt)
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except Problem as problem:
        print(f"memo: {problem}", file=sys.stderr)
        return problem.code
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        print(f"memo: {name}{error.strerror or error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("memo: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(words: list[str]) -> int:
    """Parse, become the right user, enter the environment, and do it."""
    if not words or words[0] in ("help", "-h", "--help"):
        print(HELP.read_text(encoding="utf-8"))
        return 0
    if sys.platform != "linux":
        hint = "On other systems use Docker: README.md."
        raise Problem("./manage_all.sh needs Linux.", hint=hint)
    options, more = argparse.Namespace(command=""), words
    if words[0] in {**PROOFS, **MODULES}:
        options, more = _parser().parse_known_args(words)
    elif words[0] in COMMANDS:
        options, more = _parser().parse_args(words), []
    found = privileges.drop(layout.of(os.environ.get("MEMO_STACK", "")), words)
    if words[0] not in MAKES_NOTHING:
        requirements = virtualenv.DEV if words[0] in PROOFS else virtualenv.RUNTIME
        virtualenv.ensure(found, requirements)
        if words[0] == "verify":
            virtualenv.ensure(found, virtualenv.VERIFY)
    program = str(found.python)
    if words[0] in PROOFS:
        os.execv(program, [program, "-m", "deploy", *words])  # noqa: S606
    if sys.prefix != str(found.venv) and os.access(program, os.X_OK):
        os.execv(program, [program, "-E", "-s", "-m", __package__, *words])  # noqa: S606
    return _carry_out(found, options, more)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("./manage_all.sh")
    commands = parser.add_subparsers(dest="command", metavar="command")
    more, add = {**PROOFS, **MODULES}, {}
    text = HELP.read_text(encoding="utf-8")
    for name in COMMANDS:
        what = re.search(rf"^  {name}\b.*?  (\S.*)$", text, re.MULTILINE)
        usage = f"./manage_all.sh {name} {more[name]}" if name in more else None
        command = commands.add_parser(
            name, usage=usage, description=what[1] if what else None
        )
        add[name] = command.add_argument
    for name, count in (("start", "+"), ("stop", "+"), ("restart", "*"), ("logs", "?")):
        add[name]("process", nargs=count)
    add["logs"]("-f", "--follow", action="store_true", help="print new lines, too")
    add["status"]("--json", action="store_true", help="print JSON")
    text = "delete; without it, only list what would be deleted"
    add["destroy"]("--yes", action="store_true", help=text)
    add["rotateapikeys"]("--step", choices=rotation.STEPS, help="take only this step")
    text = "the folder to make (default: a new one in .backups/)"
    add["backup"]("folder", nargs="?", help=text)
    add["restore"]("folder")
    text = "restore only the database of this service"
    add["restore"]("--only", metavar="SERVICE", help=text)
    text = "end no session; sessions that ended since the backup are valid again"
    add["restore"]("--keep-sessions", action="store_true", help=text)
    return parser


def _carry_out(found: Layout, options: argparse.Namespace, more: list[str]) -> int:
    match options.command:
        case "up" | "down" | "init":
            getattr(stack, options.command)(found)
        case "start" | "stop":
            getattr(processes, options.command)(found, options.process)
        case "restart":
            stack.restart(found, options.process)
        case "status":
            return processes.show(found, as_json=options.json)
        case "logs":
            processes.logs(found, options.process, follow=options.follow)
        case "destroy":
            stack.destroy(found, confirmed=options.yes)
        case "rotateapikeys":
            rotation.rotate(found, options.step)
        case "backup":
            backup.backup(found, options.folder)
        case "restore":
            restore.restore(found, options, stack.up)
        case "demo":
            _demo(found)
        case "doctor":
            return doctor.run(found, more)
        case "startservice":
            startservice.run(found, more)
        case "mail":
            return manage.run(found, ["users", "mail", *more])
        case "":
            return _manage(found, more)
    return 0


def _manage(found: Layout, words: list[str]) -> int:
    if not found.keys.exists() and os.geteuid():
        stack.init(found)
    return manage.run(found, words)


def _demo(found: Layout) -> None:
    supervisor.call(found, "getState")  # Raises Problem if it does not run.
    auth = next(each for each in found.services if each.name == "auth")
    address = f"http://{read_env(auth.env_file)['BIND']}"
    key = read_text(found.secrets / KEY.format("users", "auth")).strip()
    service = smoke_test.Client(address, **{"X-Internal-Api-Key": key})
    users = next(each for each in found.services if each.name == "users")
    mails = None if read_env(users.env_file).get("MAIL_URL") else found.mail
    url = read_env(found.gateway_env)["GATEWAY_PUBLIC_URL"]
    smoke_test.run(url, service=service, mails=mails, factor=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
