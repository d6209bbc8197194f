"""`rotateapikeys`: new keys between services that continue to call each other.

The files alone say how far a caller and a callee are:

    the callee accepts   the caller presents
    old                  old                   no rotation
    old, next            old                   after `accept`
    old, next            next                  after `present`
    next                 next                  after `drop`

The key that is presented is accepted in every line. Each step first waits until all
services have seen the step before, so a rotation that was killed is simply run again.
"""

import secrets
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from . import supervisor
from .files import locked, read_env, read_text, write_private
from .layout import Layout, Service
from .problems import Problem
from .secretfiles import KEY, LIST, METRICS, RANDOM_BYTES, callers, write_callers

# Services read their files once a second, and use nothing that is older than two.
SEEN = 3.0
# Then a call with the old key is over: connecting and an answer, each twice at most.
UNDER_WAY = 10.0
# What each step waits for; it also ends with a wait, until all refuse the old keys.
STEPS = {"accept": 0.0, "present": SEEN, "drop": SEEN + UNDER_WAY}


@dataclass(frozen=True)
class Direction:
    """The API keys of one service, or of Prometheus, at another: which key the caller
    presents, and which of its keys the callee accepts, the newest last."""

    caller: str
    callee: str
    key_file: Path
    list_file: Path

    def presented(self) -> str:
        return read_text(self.key_file).strip()

    def accepted(self) -> list[str]:
        return [key for name, key in callers(self.list_file) if name == self.caller]

    def accept(self, *keys: str) -> None:
        """Accept these of the caller, and no other of it."""
        pairs = [pair for pair in callers(self.list_file) if pair[0] != self.caller]
        write_callers(self.list_file, [*pairs, *((self.caller, key) for key in keys)])

    def take(self, step: str) -> None:
        """Take the step, where it is due."""
        one, keys = self.presented(), self.accepted()
        if step == "accept" and keys == [one]:
            self.accept(one, secrets.token_urlsafe(RANDOM_BYTES))
        elif step == "present":
            write_private(self.key_file, keys[-1])
        elif step == "drop" and one in keys:  # Else all stay: one too many is better.
            self.accept(one)


def rotate(layout: Layout, step: str | None = None) -> None:
    """All steps or one, for all callers."""
    with locked(layout.state / "cli.lock"):
        found = directions(layout)
        for name in [step] if step else STEPS:
            _wait(layout, STEPS[name])
            for each in found:
                each.take(name)
            print(f"  {name}: done", flush=True)
        if step in (None, "drop"):
            _wait(layout, SEEN)
            print("memo: only the keys that are presented now are accepted")


def directions(layout: Layout) -> list[Direction]:
    """Every service at every other, and Prometheus, which reads its files itself. A
    service that came since the last `up` has no keys yet."""
    found = []
    services = {service.name: service for service in layout.services}
    for caller, callee in product([*services, METRICS], services):
        key_file = layout.secrets / KEY.format(caller, callee)
        list_file = layout.secrets / LIST.format(callee)
        each = Direction(caller, callee, key_file, list_file)
        if caller != callee and each.presented() and each.accepted():
            if caller != METRICS:
                name = f"{callee.upper()}_SERVICE_API_KEY"
                _insist_on_file(services[caller], name, key_file)
            _insist_on_file(services[callee], "INTERNAL_API_KEYS", list_file)
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


def _wait(layout: Layout, seconds: float) -> None:
    """Until all services have seen the step before. One that does not run reads its
    files when it starts."""
    if seconds and supervisor.is_running(layout):
        print(f"  waiting {seconds:.0f} s, until all services have seen it", flush=True)
        time.sleep(seconds)
