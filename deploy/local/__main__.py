"""The command line. `./manage_all.sh help` shows it.

It runs twice: under the Python that manage_all.sh has found, which makes the virtual
environment if needed, and then under the Python of that environment.
"""

import argparse
import os
import re
import signal
import sys
from typing import Any

from . import interruption  # isort: skip - handles Ctrl-C during the imports
from deploy import smoke_test

from . import backup, doctor, manage, restore, rotation, stack, startservice
from .problems import INTERRUPTED, Problem
from .servers import processes, supervisor
from .setup import layout, privileges, virtualenv
from .setup.files import read_env, read_text
from .setup.layout import Layout
from .setup.secretfiles import KEY
from .startservice import FORM, HELP

# Commands that parse their own words, with what `--help` lists. `python -m deploy` runs
# the proofs.
SEED = "repeat a run: the number that it printed (default: random)"
PROOFS = {
    "test": {"suite ...": "default: all; options after the names go to pytest"},
    "verify": {},
    "audit": {"--osv-url URL": "ask this mirror; all options go to pip-audit"},
    "sbom": {"option ...": "all go to cyclonedx_py requirements"},
    "fuzz": {
        "--minutes N": "begin rounds for so long (default: 10)",
        "--examples N": "of each test in a round (default: 500)",
        "--seed N": SEED,
    },
    "model": {
        "--rules N": "how many steps (default: 50000)",
        "--seed N": SEED,
        "--faults": "also find each known fault",
    },
    "mutate": {
        "--all": "try all, not only ten",
        "--id ID ...": "try those of these requirements, such as TOK-01",
    },
    "bench": {
        "--path PATH ...": "of me, verify_token, refresh, login (default: all)",
        "--opponents NAME ...": "measure these (default: all; no name: none)",
        "--against DIR ...": "other checkouts, measured in the same rounds",
        "--sizes N": "only print the bytes of a user, a session, an event, from N each",
        "--rounds N": "default: 7",
        "--seconds N": "of a round (default: 2; logins: 6 or more)",
        "--connections N": "default: 16",
    },
    "chaos": {"--minutes N": "how long (default: 10)", "--seed N": SEED},
    "attack": {
        "--url URL": "default: the running stack of this checkout",
        "--api-key FILE": "a leaked API key of a service; can be repeated",
        "--ca FILE": "the certificate of the CA",
        "--only WORDS": "run these tests (pytest -k)",
    },
}
MODULES = {
    "doctor": {
        "--url URL": "examine the deployment at this URL, only from outside",
        "--mail ADDRESS": "only send a test mail to this address",
    },
    "startservice": {"name": FORM},
    "mail": {"--link": "print only its link"},
}
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
    except ModuleNotFoundError as error:  # in a command of MAKES_NOTHING
        text = f"The Python packages are missing, first {error.name}."
        print(f"memo: {text}\n  Install them: ./manage_all.sh init", file=sys.stderr)
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
        options, more = _parser().parse_known_args(words)[0], words[1:]
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
    summary = HELP.read_text(encoding="utf-8")
    for name in COMMANDS:
        what = re.search(rf"^  {name}\b.*?  (\S.*)$", summary, re.MULTILINE)
        command = commands.add_parser(name, description=what[1] if what else None)
        add[name] = command.add_argument
        for option, text in more.get(name, {}).items():
            _add(command, option, text)
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


def _add(command: argparse.ArgumentParser, option: str, text: str) -> None:
    """Add an option as help shows it: `--id ID ...`."""
    flag, *values = option.split()
    how: dict[str, Any] = {"nargs": "*"} if "..." in values else {}
    if flag.startswith("-"):
        how |= {"metavar": values[0]} if values else {"action": "store_true"}
    command.add_argument(flag, help=text, **how)


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
