"""`rotateapikeys`: new API keys, while services continue to call each other.

The key files of a caller and a callee show which step was the last:

    the callee accepts   the caller presents
    old                  old                   no rotation
    old, next            old                   after `accept`
    old, next            next                  after `present`
    next                 next                  after `drop`

In every line, the callee accepts the key that the caller presents. Each step first
waits until all services have seen the step before. A killed rotation can be repeated.
"""

import secrets
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from .problems import Problem
from .servers import supervisor
from .setup.files import locked, read_env, read_text, write_private
from .setup.layout import Layout, Service
from .setup.secretfiles import KEY, LIST, METRICS, RANDOM_BYTES, callers, write_callers

# Services read their files once a second, and use no text older than two seconds.
SEEN = 3.0
# The longest call with an old key: it connects and is answered, each twice at most.
UNDER_WAY = 10.0
# The wait before each step. A last wait follows, until all refuse the old keys.
STEPS = {"accept": 0.0, "present": SEEN, "drop": SEEN + UNDER_WAY}


@dataclass(frozen=True)
class Direction:
    """The API keys of a caller (a service or Prometheus) at a callee: the key that the
    caller presents, and those of its keys that the callee accepts, the newest last."""

    caller: str
    callee: str
    key_file: Path
    list_file: Path

    def presented(self) -> str:
        return read_text(self.key_file).strip()

    def accepted(self) -> list[str]:
        return [key for name, key in callers(self.list_file) if name == self.caller]

    def accept(self, *keys: str) -> None:
        """Let the callee accept these keys of the caller, and no others of it."""
        pairs = [pair for pair in callers(self.list_file) if pair[0] != self.caller]
        write_callers(self.list_file, [*pairs, *((self.caller, key) for key in keys)])

    def take(self, step: str) -> None:
        """Take the step if it is due."""
        one, keys = self.presented(), self.accepted()
        if step == "accept" and keys == [one]:
            self.accept(one, secrets.token_urlsafe(RANDOM_BYTES))
        elif step == "present":
            write_private(self.key_file, keys[-1])
        elif step == "drop" and one in keys:  # Else keep all: one too many is better.
            self.accept(one)


def rotate(layout: Layout, step: str | None = None) -> None:
    """Take all steps or one, for all callers."""
    with locked(layout.state / "cli.lock"):
        found = directions(layout)
        for name in [step] if step else STEPS:
            _wait(layout, STEPS[name])
            for each in found:
                each.take(name)
            print(f"  {name}: done", flush=True)
        if step in (None, "drop"):
            _wait(layout, SEEN)
            print("memo: services now accept only the keys that callers present")


def directions(layout: Layout) -> list[Direction]:
    """Every service, and Prometheus, at every other service. Prometheus reads its files
    itself. A service that is newer than the last `up` has no keys yet: left out."""
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
        hint = f"Make them: {layout.command} init"
        raise Problem("There are no keys to rotate.", hint=hint)
    return found


def _insist_on_file(service: Service, name: str, path: Path) -> None:
    """Raise Problem for keys from elsewhere: new ones of ours would reach one side."""
    settings = read_env(service.env_file)
    given = service.project / settings.get(f"{name}_FILE", "")
    if name in settings or given.resolve() != path.resolve():
        text = f"{service.name} does not read {name} from {path}."
        hint = "Rotate this key at its source: docs/operations/key-rotation.md."
        raise Problem(text, hint=hint)


def _wait(layout: Layout, seconds: float) -> None:
    """Wait until all services have seen the step before. A stack that does not run
    needs no wait: services read their files when they start."""
    if seconds and supervisor.is_running(layout):
        print(f"  waiting {seconds:.0f} s until all services know it", flush=True)
        time.sleep(seconds)
