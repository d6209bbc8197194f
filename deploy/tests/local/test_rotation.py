"""Rotation of API keys: no caller is ever locked out, and every step waits."""

import time
from pathlib import Path

import pytest

from deploy.local import rotation
from deploy.local.problems import Problem
from deploy.local.rotation import SEEN, UNDER_WAY, Direction
from deploy.local.servers import supervisor
from deploy.local.setup import configure, files, secretfiles
from deploy.local.setup.layout import Layout
from deploy.local.setup.ports import Ports
from shared import file_watcher

CALLEES = ["users", "auth", "auth", "users"]
CALLERS = ["auth", "users", "metrics", "metrics"]
ACCEPT = [f"{name}_internal_api_keys" for name in CALLEES]
PRESENT = [
    f"{caller}_{callee}_service_api_key"
    for caller, callee in zip(CALLERS, CALLEES, strict=True)
]


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Events(list[str | float]):
    """What happens, in order: files that are written, and seconds of waiting. It ends
    before the write of number `last`."""

    last = 99

    def write(self, path: Path, text: str) -> None:
        if len([x for x in self if isinstance(x, str)]) == self.last:
            raise Killed
        files.write_private(path, text)
        self.append(path.name)


@pytest.fixture
def found(layout: Layout, ports: Ports) -> list[Direction]:
    """The four directions of a stack that was initialised: two services at each other,
    and Prometheus at both."""
    secretfiles.ensure(layout)
    configure.write(layout, ports)
    return rotation.directions(layout)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    """Of a stack as if it ran."""
    events = Events()
    monkeypatch.setattr(secretfiles, "write_private", events.write)
    monkeypatch.setattr(rotation, "write_private", events.write)
    monkeypatch.setattr(supervisor, "is_running", lambda _: True)
    monkeypatch.setattr(time, "sleep", events.append)
    return events


def test_every_step_waits_for_the_one_before(
    found: list[Direction], layout: Layout, events: Events
) -> None:
    rotation.rotate(layout)
    over = SEEN + UNDER_WAY
    assert events == [*ACCEPT, SEEN, *PRESENT, over, *ACCEPT, SEEN]
    # A look at the files, and the age of what was seen.
    assert file_watcher.INTERVAL * 2 < SEEN


@pytest.mark.parametrize("survived", range(12))
def test_killed_anywhere_it_works_and_can_be_run_again(
    found: list[Direction], layout: Layout, events: Events, survived: int
) -> None:
    """Before any of its writes. In the end each key is new, and accepted alone."""
    before = [each.presented() for each in found]
    events.last = survived
    with pytest.raises(Killed):
        rotation.rotate(layout)
    assert all(each.presented() in each.accepted() for each in found)
    events.last = 99
    rotation.rotate(layout)
    rotation.rotate(layout)
    keys = [each.presented() for each in found]
    assert len({*keys, *before}) == 8
    assert [each.accepted() for each in found] == [[key] for key in keys]


def test_a_step_can_be_taken_by_itself_and_twice(
    found: list[Direction], layout: Layout
) -> None:
    """As containers need it. A step that is not due does nothing."""
    [first, *_], old = found, found[0].presented()
    for step, presents_old, accepted in [
        ("present", True, 1),
        ("drop", True, 1),
        ("accept", True, 2),
        ("accept", True, 2),
        ("present", False, 2),
        ("drop", False, 1),
    ]:
        rotation.rotate(layout, step)
        assert (first.presented() == old) is presents_old
        assert first.presented() in first.accepted()
        assert len(first.accepted()) == accepted


def test_a_key_from_elsewhere_stops_it(found: list[Direction], layout: Layout) -> None:
    """Else the new key would reach one side alone."""
    path = layout.services[0].env_file
    path.write_text(f"{path.read_text()}INTERNAL_API_KEYS=users=x\n")
    with pytest.raises(Problem, match="auth does not read INTERNAL_API_KEYS"):
        rotation.rotate(layout)
