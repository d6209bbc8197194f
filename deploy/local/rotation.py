"""`rotateapikeys`: new keys between services that continue to call each other.

The files alone say how far a direction is:

    the callee accepts   the caller presents
    old                  old                   no rotation
    old, next            old                   after `accept`
    old, next            next                  after `present`
    next                 next                  after `drop`

The key that is presented is accepted in every line. A step first waits until all
services have seen the step before, so a rotation that was killed is simply run again.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from . import status, supervisor
from .files import locked, read_env, read_text, write_private
from .layout import Layout, Service
from .problems import USAGE, Problem
from .secretfiles import KEY, LIST, RANDOM_BYTES, callers, write_callers

STEPS = ("accept", "present", "drop")
# Services read their files once a second, and use nothing that is older than two.
SEEN = 3.0
# Then a call with the old key is over: connecting and an answer, each twice at most.
UNDER_WAY = 10.0


@dataclass(frozen=True)
class Direction:
    """The API keys of one service at another: which key the caller presents, and which
    of its keys the callee accepts, the newest last."""

    caller: Service
    callee: Service
    key_file: Path
    list_file: Path

    def presented(self) -> str:
        return read_text(self.key_file).strip()

    def accepted(self) -> list[str]:
        pairs = callers(self.list_file)
        return [key for caller, key in pairs if caller == self.caller.name]

    def accept(self, *keys: str) -> None:
        """Accept these of the caller, and no other of it."""
        pairs = [x for x in callers(self.list_file) if x[0] != self.caller.name]
        ours = [(self.caller.name, key) for key in keys]
        write_callers(self.list_file, [*pairs, *ours])


def rotate(layout: Layout, step: str | None, names: Sequence[str]) -> None:
    """All steps or one, between the named services or all."""
    with locked(layout.state / "cli.lock"):
        directions = _directions(layout, names)
        for each in [step] if step else STEPS:
            _take(layout, each, directions)
    if step in (None, "drop"):
        print("memo: done; only the keys that are presented now are accepted")


def _take(layout: Layout, step: str, directions: list[Direction]) -> None:
    """A step in each direction where it is due."""
    due = []
    for each in directions:
        one, keys = each.presented(), each.accepted()
        # A caller whose key is not accepted keeps all: one too many is better.
        last = one in keys and len(keys) > 1
        state = {"accept": keys == [one], "present": keys[-1] != one, "drop": last}
        due += [each] if state[step] else []
    if due and step != "accept":
        seconds = SEEN + (UNDER_WAY if step == "drop" else 0)
        _wait(layout, seconds, "until all services have seen the step before")
        seers = [x.callee if step == "present" else x.caller for x in due]
        _insist_on_answers(layout, seers)
    for each in due:
        one, keys = each.presented(), each.accepted()
        if step == "accept":
            each.accept(*keys, secrets.token_urlsafe(RANDOM_BYTES))
        elif step == "present":
            write_private(each.key_file, keys[-1])
        else:
            each.accept(one)
        print(f"  {each.caller.name} to {each.callee.name}: {step}")
    if due and step == "drop":
        _wait(layout, SEEN, "until the old keys are refused everywhere")


def _directions(layout: Layout, names: Sequence[str]) -> list[Direction]:
    if unknown := set(names) - {service.name for service in layout.services}:
        raise Problem(f"There is no service {', '.join(unknown)}.", code=USAGE)
    found = []
    for caller, callee in permutations(layout.services, 2):
        pair = [caller.name, callee.name]
        key = layout.secrets / KEY.format(*pair)
        each = Direction(caller, callee, key, layout.secrets / LIST.format(callee.name))
        # A service that came since the last `up` has no keys yet.
        if pair[: len(names)] == [*names] and each.presented() and each.accepted():
            _insist_on_file(caller, f"{callee.name.upper()}_SERVICE_API_KEY", key)
            _insist_on_file(callee, "INTERNAL_API_KEYS", each.list_file)
            found.append(each)
    if not found:
        raise Problem("There are no keys to rotate.", hint=f"{layout.command} init")
    return found


def _insist_on_file(service: Service, name: str, path: Path) -> None:
    """If a service takes its keys from elsewhere, ours would reach one side alone."""
    settings = read_env(service.env_file)
    given = service.project / settings.get(f"{name}_FILE", "")
    if name in settings or given.resolve() != path.resolve():
        text = f"{service.name} does not take {name} from {path}."
        hint = "Rotate it where it comes from: docs/operations/key-rotation.md."
        raise Problem(text, hint=hint)


def _wait(layout: Layout, seconds: float, until: str) -> None:
    """A service that does not run reads its files when it starts."""
    if supervisor.is_running(layout):
        print(f"  waiting {seconds:.0f} s, {until}", flush=True)
        time.sleep(seconds)


def _insist_on_answers(layout: Layout, services: Sequence[Service]) -> None:
    """A service that hangs has seen nothing, and may continue with what it knew."""
    running = supervisor.processes(layout) if supervisor.is_running(layout) else {}
    for service in services:
        address = read_env(service.env_file)["BIND"]
        runs = any(each["pid"] for each in running.get(service.name, ()))
        if runs and not status.serves(address, service.name, "live"):
            text = f"{service.name} does not answer. Both keys are still accepted."
            hint = f"When it answers: {layout.command} rotateapikeys"
            raise Problem(text, hint=hint)
