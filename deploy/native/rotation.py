"""`rotateapikeys`: new keys between services that go on calling each other.

How far a direction is, its files say, and nothing else does:

    the callee accepts   the caller presents
    old                  old                   nothing under way
    old, next            old                   after `accept`
    old, next            next                  after `present`
    next                 next                  after `drop`

In every line the key presented is accepted. A step first waits until all services have
seen the step before, whenever that was; so one that was killed is simply run again.
"""

import time
from collections.abc import Callable, Sequence

from . import control, health, running, secretfiles
from .directions import Direction, chosen
from .layout import Layout
from .lifecycle import command_lock
from .problems import USAGE, Problem
from .services import Service, discover

# Services look at their files once a second, and use nothing that is older than two
# (shared/file_watcher.py); the third is for a busy machine.
SEEN = 3.0
# A call with the old key is over by then: connecting (1 s) and an answer (3 s), each at
# most twice (shared/clients.py).
UNDER_WAY = 10.0

USAGE_LINE = "rotateapikeys [--step accept|present|drop] [caller [callee]]"


def run(layout: Layout, rest: Sequence[str]) -> None:
    """New keys in the directions that are named; without names, in all."""
    steps, names = _parse(rest)
    with command_lock(layout):
        directions = chosen(layout, discover(layout.root), names)
        for step in steps:
            STEPS[step](layout, directions)


def _parse(rest: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The steps to take, and the names of caller and callee."""
    steps, names = list(STEPS), list(rest)
    if names[:1] == ["--step"]:
        steps, names = names[1:2], names[2:]
    known = bool(steps) and steps[0] in STEPS
    if not known or len(names) > 2 or any(name.startswith("-") for name in names):
        raise Problem(f"Usage: {USAGE_LINE}", code=USAGE)
    return steps, names


def _accept(layout: Layout, directions: Sequence[Direction]) -> None:
    """The callees accept the next keys as well."""
    for each in directions:
        if each.is_under_way:
            print(f"  {each}: a rotation is under way, which goes on")
        else:
            each.accept(secretfiles.random())
            print(f"  {each}: {each.callee.name} accepts the next key too")


def _present(layout: Layout, directions: Sequence[Direction]) -> None:
    """The callers present the next keys."""
    pending = [each for each in directions if each.has_next]
    if pending:
        _wait(layout, SEEN, "until every callee has seen it")
        _insist_on_answers(layout, [each.callee for each in pending])
    for each in pending:
        each.present()
        print(f"  {each}: {each.caller.name} presents it")


def _drop(layout: Layout, directions: Sequence[Direction]) -> None:
    """The callees accept what is presented, and nothing else of that caller."""
    pending = [each for each in directions if each.has_more]
    if not pending:
        print("memo: no key to drop")
        return
    _wait(layout, SEEN + UNDER_WAY, "until no call is made with an old key any more")
    _insist_on_answers(layout, [each.caller for each in pending])
    for each in pending:
        each.drop()
        print(f"  {each}: {each.callee.name} accepts it alone")
    _wait(layout, SEEN, "until the old keys are refused everywhere")
    print("memo: done; only the keys that are presented now are accepted")


STEPS: dict[str, Callable[[Layout, Sequence[Direction]], None]] = {
    "accept": _accept,
    "present": _present,
    "drop": _drop,
}


def _wait(layout: Layout, seconds: float, until: str) -> None:
    """Where nothing runs there is nobody to wait for: files are read at the start."""
    if running.is_running(layout):
        print(f"  waiting {seconds:.0f} s, {until}", flush=True)
        time.sleep(seconds)


def _insist_on_answers(layout: Layout, services: Sequence[Service]) -> None:
    """One that stands still has seen nothing, and may go on with what it knew. (One
    that does not run reads its files when it is started.)"""
    if not running.is_running(layout):
        return
    processes = control.ask(layout, "status")["processes"]
    for service in services:
        state = processes.get(service.name, {}).get("state")
        if state in ("running", "replaced") and not health.is_alive(layout, service):
            raise Problem(
                f"{service.name} does not answer. Nothing is lost, both keys are good.",
                hint=f"When it is well: {layout.command} rotateapikeys",
            )
