"""Rotation of API keys: no caller is ever locked out, and every step waits."""

import time
from pathlib import Path

import pytest

from deploy.local import configure, files, rotation, secretfiles, status, supervisor
from deploy.local.layout import Layout
from deploy.local.ports import Ports
from deploy.local.problems import Problem
from deploy.local.rotation import SEEN, UNDER_WAY, Direction
from shared import file_watcher

ACCEPT = ["users_internal_api_keys", "auth_internal_api_keys"]
PRESENT = ["auth_users_service_api_key", "users_auth_service_api_key"]


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
def both(layout: Layout, ports: Ports) -> list[Direction]:
    """The two directions of a stack that was initialised and does not run."""
    secretfiles.ensure(layout)
    configure.write(layout, ports)
    return rotation._directions(layout, [])


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    events = Events()
    monkeypatch.setattr(secretfiles, "write_private", events.write)
    monkeypatch.setattr(rotation, "write_private", events.write)
    monkeypatch.setattr(time, "sleep", events.append)
    return events


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """As if the stack ran; of each service, whether it answers."""
    alive = {"auth": True, "users": True}
    processes = {name: [{"pid": 1}] for name in alive}
    monkeypatch.setattr(supervisor, "is_running", lambda _: True)
    monkeypatch.setattr(supervisor, "processes", lambda _: processes)
    monkeypatch.setattr(status, "serves", lambda _address, name, _path: alive[name])
    return alive


def assert_settled(both: list[Direction], before: list[str]) -> None:
    """New keys, each accepted alone."""
    keys = [each.presented() for each in both]
    assert len({*keys, *before}) == 2 * len(both)
    for each in both:
        assert each.accepted() == [each.presented()]
        assert len(each.presented()) == 64


def test_every_step_waits_for_the_one_before(
    both: list[Direction], layout: Layout, events: Events, alive: object
) -> None:
    before = [each.presented() for each in both]
    rotation.rotate(layout, None, [])
    over = SEEN + UNDER_WAY
    assert events == [*ACCEPT, SEEN, *PRESENT, over, *ACCEPT, SEEN]
    assert_settled(both, before)
    # A look at the files, and the age of what was seen.
    assert file_watcher.INTERVAL * 2 < SEEN


@pytest.mark.parametrize("survived", range(6))
def test_killed_anywhere_it_works_and_can_be_run_again(
    both: list[Direction], layout: Layout, events: Events, survived: int
) -> None:
    """Before any of its six writes."""
    before = [each.presented() for each in both]
    events.last = survived
    with pytest.raises(Killed):
        rotation.rotate(layout, None, [])
    for each in both:
        assert each.presented() in each.accepted()
    events.last = 99
    rotation.rotate(layout, None, [])
    rotation.rotate(layout, None, [])
    assert_settled(both, before)


def test_steps_can_be_taken_one_by_one(both: list[Direction], layout: Layout) -> None:
    [first, other], old = both, both[0].presented()
    rotation.rotate(layout, "present", ["auth"])
    assert first.presented() == old, "nothing is accepted yet"
    for _ in range(2):
        rotation.rotate(layout, "accept", ["auth", "users"])
        assert first.presented() == old
        assert len(first.accepted()) == 2
    assert len(other.accepted()) == 1, "the other direction is not named"
    rotation.rotate(layout, "present", [])
    assert first.presented() == first.accepted()[-1] != old
    assert old in first.accepted()
    rotation.rotate(layout, "drop", [])
    assert first.accepted() == [first.presented()]


def test_what_would_lock_a_caller_out_stops_it(
    both: list[Direction], layout: Layout, events: Events, alive: dict[str, bool]
) -> None:
    """A service that hangs, and one with a key from elsewhere."""
    alive["users"] = False
    with pytest.raises(Problem, match="users does not answer"):
        rotation.rotate(layout, None, [])
    for each in both:
        assert each.presented() in each.accepted()
        assert len(each.accepted()) == 2
    path = layout.services[0].env_file
    path.write_text(f"{path.read_text()}INTERNAL_API_KEYS=users=x\n")
    with pytest.raises(Problem, match="auth does not take INTERNAL_API_KEYS"):
        rotation.rotate(layout, None, [])
