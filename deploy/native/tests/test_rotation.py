"""Rotation of API keys: what is written when, and that nobody is ever locked out."""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from deploy.native import (
    addresses,
    assembly,
    control,
    directions,
    files,
    health,
    provisioning,
    rotation,
    running,
    secretfiles,
)
from deploy.native.directions import Direction
from deploy.native.layout import Layout
from deploy.native.problems import USAGE, Problem
from deploy.native.services import Service

SHARED = Path(__file__).resolve().parents[3] / "shared"


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


@pytest.fixture
def both(layout: Layout, services: list[Service]) -> list[Direction]:
    """The two directions of a stack that was initialised and does not run."""
    chosen = addresses.choose(layout, services)
    provisioning.write_settings(layout, services, chosen)
    return directions.chosen(layout, services, [])


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str | float]:
    """What happens, in order: files that are written, and seconds of waiting."""
    happened: list[str | float] = []
    write = files.write_private

    def note(path: Path, text: str) -> None:
        write(path, text)
        happened.append(path.name)

    monkeypatch.setattr(secretfiles, "write_private", note)
    monkeypatch.setattr(directions, "write_private", note)
    monkeypatch.setattr(time, "sleep", happened.append)
    return happened


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """As if the stack ran; of each service, whether it answers."""
    alive = {"auth": True, "users": True}
    processes = {name: {"state": "running"} for name in alive}
    monkeypatch.setattr(running, "is_running", lambda _layout: True)
    monkeypatch.setattr(control, "ask", lambda *_: {"processes": processes})
    monkeypatch.setattr(health, "is_alive", lambda _, service: alive[service.name])
    return alive


def keys(both: Sequence[Direction]) -> list[str]:
    return [each.presented for each in both]


def assert_settled(both: Sequence[Direction], before: Sequence[str]) -> None:
    """New keys, each accepted alone."""
    assert not set(keys(both)) & set(before)
    assert len(set(keys(both))) == len(both)
    for each in both:
        assert each.accepted == [each.presented]
        assert len(each.presented) == 64


ACCEPT = ["users_internal_api_keys", "auth_internal_api_keys"]
PRESENT = ["auth_users_service_api_key", "users_auth_service_api_key"]
SEEN, OVER = rotation.SEEN, rotation.SEEN + rotation.UNDER_WAY


def test_every_step_waits_for_the_one_before(
    both: list[Direction], layout: Layout, events: list[str | float], up: object
) -> None:
    before = keys(both)
    rotation.run(layout, [])
    assert events == [*ACCEPT, SEEN, *PRESENT, OVER, *ACCEPT, SEEN]
    assert_settled(both, before)


def test_where_nothing_runs_nobody_is_waited_for(
    both: list[Direction], layout: Layout, events: list[str | float]
) -> None:
    before = keys(both)
    rotation.run(layout, [])
    assert events == [*ACCEPT, *PRESENT, *ACCEPT]
    assert_settled(both, before)


@pytest.mark.parametrize("survived", range(6))
def test_killed_anywhere_it_works_and_can_be_run_again(
    both: list[Direction],
    layout: Layout,
    events: list[str | float],
    up: object,
    monkeypatch: pytest.MonkeyPatch,
    survived: int,
) -> None:
    """Between any two of its six writes, and in the wait before one."""
    before, write = keys(both), directions.__dict__["write_private"]

    def die(path: Path, text: str) -> None:
        if len([event for event in events if isinstance(event, str)]) == survived:
            raise Killed
        write(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(secretfiles, "write_private", die)
        patch.setattr(directions, "write_private", die)
        with pytest.raises(Killed):
            rotation.run(layout, [])
    assert all(each.presented in each.accepted for each in both)
    assert all(len(each.accepted) <= 2 for each in both)
    events.clear()
    rotation.run(layout, [])
    assert_settled(both, before)
    # It cannot know how long ago the last write was: it waits before it goes on.
    for position, event in enumerate(events):
        assert event not in PRESENT or SEEN in events[:position]
    assert set(events[events.index(OVER) + 1 :]) <= {*ACCEPT, SEEN}


def test_what_each_step_leaves(both: list[Direction], layout: Layout) -> None:
    """For containers, which see a changed file when they are made anew."""
    first = both[0]
    old = first.presented
    rotation.run(layout, ["--step", "accept"])
    rotation.run(layout, ["--step", "accept"])  # is done already
    old_again, following = first.accepted
    assert (old_again, first.presented) == (old, old)
    rotation.run(layout, ["--step", "present"])
    assert (first.accepted, first.presented) == ([old, following], following)
    rotation.run(layout, ["--step", "drop"])
    assert (first.accepted, first.presented) == ([following], following)
    rotation.run(layout, ["--step", "present"])
    rotation.run(layout, ["--step", "drop"])
    assert (first.accepted, first.presented) == ([following], following)


def test_dropping_before_the_next_is_presented_gives_it_up(
    both: list[Direction], layout: Layout
) -> None:
    before = keys(both)
    rotation.run(layout, ["--step", "accept"])
    rotation.run(layout, ["--step", "drop"])
    assert keys(both) == before
    assert [each.accepted for each in both] == [[key] for key in before]


def test_one_direction_leaves_the_other(both: list[Direction], layout: Layout) -> None:
    before = keys(both)
    rotation.run(layout, ["users", "auth"])
    assert both[0].presented == before[0]
    assert_settled(both[1:], before)
    rotation.run(layout, ["auth"])
    assert_settled(both[:1], before)


def test_other_callers_keep_their_keys(both: list[Direction], layout: Layout) -> None:
    """Also those that are no service of this checkout."""
    path = both[0].list_file
    path.write_text(f"reports=r1,{path.read_text()},reports=r2")
    rotation.run(layout, [])
    assert secretfiles.callers(path) == [
        ("reports", "r1"),
        ("reports", "r2"),
        ("auth", both[0].presented),
    ]


def test_up_in_the_middle_of_it_changes_no_key(
    both: list[Direction], layout: Layout, services: list[Service]
) -> None:
    rotation.run(layout, ["--step", "accept"])
    files = [each.list_file for each in both] + [each.key_file for each in both]
    before = [path.read_text() for path in files]
    assert secretfiles.ensure(layout, services) == []
    assert [path.read_text() for path in files] == before


def test_a_rotation_is_no_reason_to_start_anything_anew(
    both: list[Direction],
    layout: Layout,
    services: list[Service],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = assembly._inputs

    def there(*arguments: object) -> list[Path]:
        return [path for path in inputs(layout, services) if path.exists()]

    monkeypatch.setattr(assembly, "_inputs", there)
    before = assembly.fingerprint(layout, services)
    rotation.run(layout, [])
    assert assembly.fingerprint(layout, services) == before
    (layout.secrets / "auth_secret_key").write_text("another")
    assert assembly.fingerprint(layout, services) != before


@pytest.mark.parametrize(("hangs", "good"), [("users", 0), ("auth", 1)])
def test_who_does_not_answer_is_not_passed_over(
    both: list[Direction],
    layout: Layout,
    events: list[str | float],
    up: dict[str, bool],
    hangs: str,
    good: int,
) -> None:
    """It may have seen nothing: no key is presented to it that it does not know, and
    none is dropped that it may still present."""
    before = keys(both)
    up[hangs] = False
    words = ["auth", "users"]
    with pytest.raises(Problem, match=f"{hangs} does not answer"):
        rotation.run(layout, words)
    assert len(both[0].accepted) == 2
    assert (both[0].presented == before[0]) is (hangs == "users")
    up[hangs] = True
    rotation.run(layout, words)
    assert_settled(both[:1], before)


def test_no_key_is_shown(
    both: list[Direction], layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = set(keys(both))
    rotation.run(layout, ["--step", "accept"])
    seen |= {key for each in both for key in each.accepted}
    rotation.run(layout, [])
    shown = capsys.readouterr().out
    assert "presents it" in shown
    assert len(seen) == 4
    assert not [key for key in seen if key in shown]


def test_the_files_stay_private(both: list[Direction], layout: Layout) -> None:
    rotation.run(layout, [])
    for each in both:
        for path in (each.key_file, each.list_file):
            assert path.stat().st_mode & 0o777 == 0o600
    assert not list(layout.secrets.glob(".*.new"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("API_KEYS_FILE=", "API_KEYS_FILE=/elsewhere/"),
        lambda text: text + "INTERNAL_API_KEYS=users=x\n",
    ],
)
def test_keys_that_come_from_elsewhere_are_not_half_rotated(
    both: list[Direction],
    layout: Layout,
    services: list[Service],
    events: list[str | float],
    change: Callable[[str], str],
) -> None:
    path = services[0].env_file(layout)
    path.write_text(change(path.read_text()))
    with pytest.raises(Problem, match="auth does not take INTERNAL_API_KEYS"):
        rotation.run(layout, [])
    assert events == []


def test_a_list_that_is_damaged_is_named_and_left(
    both: list[Direction], layout: Layout
) -> None:
    path = both[0].list_file
    path.write_text("auth")
    with pytest.raises(Problem, match="list of caller=key"):
        rotation.run(layout, [])
    assert path.read_text() == "auth"


def test_a_service_that_has_no_keys_yet_is_left_out(
    both: list[Direction], layout: Layout
) -> None:
    before = keys(both)
    (layout.root / "notes_project").mkdir()
    (layout.root / "notes_project" / "manage.py").touch()
    rotation.run(layout, [])
    assert_settled(both, before)
    with pytest.raises(Problem, match="no keys to rotate"):
        rotation.run(layout, ["notes"])


def test_before_anything_is_made_there_is_nothing_to_rotate(layout: Layout) -> None:
    with pytest.raises(Problem, match="no keys to rotate"):
        rotation.run(layout, [])


@pytest.mark.parametrize(
    "words",
    [["--step"], ["--step", "x"], ["--all"], ["auth", "users", "x"], ["nobody"]],
)
def test_words_that_mean_nothing_are_refused(
    both: list[Direction], layout: Layout, events: list[str], words: list[str]
) -> None:
    with pytest.raises(Problem) as caught:
        rotation.run(layout, words)
    assert caught.value.code == USAGE
    assert events == []


def test_the_waits_are_as_long_as_the_services_take() -> None:
    """Numbers of the other side, which cannot be imported here."""
    reloading = (SHARED / "reloading.py").read_text()
    interval = re.search(r"^INTERVAL = ([\d.]+)", reloading, re.M)
    clients = (SHARED / "clients.py").read_text()
    timeouts = re.search(r"^TIMEOUT = \(([\d.]+), ([\d.]+)\)", clients, re.M)
    assert interval
    assert timeouts
    assert 2 * float(interval[1]) < rotation.SEEN
    assert 2 * sum(map(float, timeouts.groups())) < rotation.UNDER_WAY
