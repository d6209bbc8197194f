"""The command line: what the words mean. `./manage_all.sh help` shows them."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from deploy.local import doctor

from . import (
    demo,
    destroy,
    lifecycle,
    ownership,
    passthrough,
    privileges,
    rotation,
    startservice,
    status,
    supervisor,
    virtualenv,
)
from . import (
    layout as layouts,
)
from .layout import Layout
from .problems import FAILED, INTERRUPTED, USAGE, Interrupted, Problem
from .services import discover

HELP = """\
Memo, natively on this machine.

  ./manage_all.sh up                 start everything; safe to repeat
  ./manage_all.sh down               stop everything; data stays
  ./manage_all.sh status [--json]    what runs (exit status 0 ready, 3 stopped, 4 not well)
  ./manage_all.sh logs [process] [-f]
  ./manage_all.sh restart [process]
  ./manage_all.sh stop|start <process>
  ./manage_all.sh demo               walk through the API against the running gateway
  ./manage_all.sh test [suite ...]   every check and suite, or the named ones
  ./manage_all.sh verify             that, with what takes long: for a release
  ./manage_all.sh attack [--url URL]   attack a deployment (docs/attack.md)
  ./manage_all.sh audit              known vulnerabilities of what is pinned
  ./manage_all.sh sbom [file]        what a deployment is made of (CycloneDX)
  ./manage_all.sh fuzz [--minutes N] [--seed N]   the tests that fuzz, by chance
  ./manage_all.sh model [--rules N] [--seed N] [--faults]   sessions against the model of
                                     their design (docs/model.md); 50,000 acts
  ./manage_all.sh mutate [--all | --id TOK-01 ... | --random 10 --seed 1]
                                     whether tests of security can fail (docs/security)
  ./manage_all.sh bench [part ...]   the comparison with others (docs/performance.md)
  ./manage_all.sh chaos [options]    people at work while things break (docs/chaos.md);
                                     --url: against a deployment, without the faults
  ./manage_all.sh init               settings, secrets and keys only (also for Docker)
  ./manage_all.sh rotateapikeys [caller [callee]]   new keys between the services, without
                                     a restart; --step accept|present|drop: one step
  ./manage_all.sh doctor [--json]    what would be used, what is wrong, what to do
  ./manage_all.sh doctor --url https://memo.example    the same of any deployment, from
                                     outside (exit status 3: something is WRONG)
  ./manage_all.sh destroy [--yes]    stop, then remove databases and everything made

  ./manage_all.sh startservice <name>            a new service, with all it needs

  ./manage_all.sh <command>          a manage.py command in every service that knows it
  ./manage_all.sh users <command>    in one: users runserver, auth shell, ...

  GATEWAY_PORT=8081 ./manage_all.sh up     choose the gateway's port (written down)
  MEMO_STACK=test ./manage_all.sh up       a second, separate stack of this checkout
"""  # noqa: E501

Verb = Callable[[Layout, Sequence[str]], int | None]


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit status."""
    try:
        status = _main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `logs | head`: whoever read us has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status


def _main(arguments: Sequence[str]) -> int:
    os.umask(0o077)
    root = Path(__file__).resolve().parents[2]
    try:
        if sys.platform != "linux":
            raise Problem("This needs Linux.", hint="Elsewhere use Docker: README.md.")
        if not arguments or arguments[0] in ("help", "-h", "--help"):
            print(HELP)
            return 0
        if os.geteuid() == 0 and not passthrough.writes_code(arguments):
            return privileges.become_ordinary(root, list(arguments))
        layout = layouts.of(root, os.environ.get("MEMO_STACK", ""))
        ownership.insist_on_access(layout, " ".join(arguments))
        return _dispatch(layout, arguments[0], arguments[1:])
    except Problem as problem:
        return _tell(problem)
    except BrokenPipeError:
        raise
    except OSError as error:
        if arguments[0] == "supervise":  # Its log is read by those who look for more.
            raise
        return _tell(ownership.told(error))
    except (KeyboardInterrupt, Interrupted):
        print("memo: interrupted", file=sys.stderr)
        return INTERRUPTED


def _tell(problem: Problem) -> int:
    print(f"memo: {problem}", file=sys.stderr)
    if problem.hint:
        print(f"  {problem.hint}", file=sys.stderr)
    return problem.code


def _dispatch(layout: Layout, verb: str, rest: Sequence[str]) -> int:
    if verb == "supervise":
        return supervisor.main(layout)
    _turn_signals_into_exceptions()
    services = discover(layout.root)
    for service in services:
        if service.name == verb:
            return passthrough.run_in(layout, service, rest)
    if verb in SESSIONS:
        _nox(layout, verb, rest)
    if verb in VERBS:
        return VERBS[verb](layout, rest) or 0
    return passthrough.run_everywhere(layout, services, [verb, *rest])


def _turn_signals_into_exceptions() -> None:
    """So that every way of being told to stop unwinds the same way, once."""

    def stop(number: int, _frame: object) -> None:
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)
        raise Interrupted(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def _nothing_more(verb: str, rest: Sequence[str]) -> None:
    if rest:
        raise Problem(f"`{verb}` takes nothing more: {' '.join(rest)}", code=USAGE)


def _up(layout: Layout, rest: Sequence[str]) -> None:
    _nothing_more("up", rest)
    lifecycle.up(layout)


def _down(layout: Layout, rest: Sequence[str]) -> None:
    _nothing_more("down", rest)
    lifecycle.down(layout)


def _init(layout: Layout, rest: Sequence[str]) -> None:
    _nothing_more("init", rest)
    lifecycle.init(layout)


def _restart(layout: Layout, rest: Sequence[str]) -> None:
    lifecycle.restart(layout, rest)


def _start(layout: Layout, rest: Sequence[str]) -> None:
    lifecycle.start(layout, _some("start", rest))


def _stop(layout: Layout, rest: Sequence[str]) -> None:
    lifecycle.stop(layout, _some("stop", rest))


def _some(verb: str, rest: Sequence[str]) -> Sequence[str]:
    if not rest:
        raise Problem(f"Usage: {verb} <process>", code=USAGE)
    return rest


def _status(layout: Layout, rest: Sequence[str]) -> int:
    if [*rest] not in ([], ["--json"]):
        raise Problem("Usage: status [--json]", code=USAGE)
    return status.show(layout, as_json=bool(rest))


def _logs(layout: Layout, rest: Sequence[str]) -> None:
    name, follow = status.parse_logs_arguments(rest)
    status.logs(layout, name, follow=follow)


def _nox(layout: Layout, command: str, rest: Sequence[str]) -> NoReturn:
    """A session of noxfile.py, which takes our place."""
    layout.make_folders()
    virtualenv.ensure(layout, virtualenv.DEV)
    os.chdir(layout.root)
    words = ["nox", "-f", "noxfile.py", "-s", command, "--", *rest]
    python = str(layout.python)
    sys.stdout.flush()
    # The checkout may be read-only.
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(layout.base / "pycache")}
    os.execve(python, [python, "-m", *words], env)  # noqa: S606 (no shell wanted)


def _demo(layout: Layout, rest: Sequence[str]) -> None:
    _nothing_more("demo", rest)
    demo.run(layout)


# Of noxfile.py.
SESSIONS = {"test", "verify", "fuzz", "model", "mutate", "chaos", "attack", "bench"}
SESSIONS |= {"audit", "sbom"}
VERBS: dict[str, Verb] = {
    "up": _up,
    "down": _down,
    "init": _init,
    "restart": _restart,
    "start": _start,
    "stop": _stop,
    "status": _status,
    "logs": _logs,
    "demo": _demo,
    "doctor": doctor.run,
    "destroy": destroy.run,
    "rotateapikeys": rotation.run,
    "startservice": startservice.run,
}
