"""What `restore` and `runserver` stop runs again, and nothing else starts it before."""

import threading
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from deploy.local import manage, restore, stack
from deploy.local.servers import processes, supervisor
from deploy.local.setup.files import write_private
from deploy.local.setup.layout import Layout


def up_again(layout: Layout, _names: list[str]) -> None:
    """`up` of a stack that is up."""
    write_private(layout.state / stack.COMPLETE, layout.fingerprint())
    assert stack._is_up_already(layout)


@pytest.mark.parametrize("act", [processes.start, processes.replace, up_again])
def test_no_other_command_starts_a_service_during_a_restore(
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Layout, list[str]], None],
) -> None:
    """What the service writes then would be lost."""
    acts: list[str] = []
    monkeypatch.setattr(supervisor, "is_running", lambda _: True)
    monkeypatch.setattr(supervisor, "processes", lambda _: {"users": [{"pid": 0}]})
    monkeypatch.setattr(supervisor, "stop_program", lambda *_: None)
    monkeypatch.setattr(processes, "start_and_wait", lambda *_: acts.append("start"))
    other = threading.Thread(target=act, args=(layout, ["users"]))
    with restore._stopped(layout, ["users"]):
        acts.clear()
        other.start()
        other.join(0.3)
        acts.append("restored")
    other.join()
    assert acts == ["restored", "start", "start"]


def test_a_runserver_that_ends_during_a_restore_starts_no_service(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts: list[str] = []
    runs, ends = threading.Event(), threading.Event()

    def run(*_: object) -> int:
        runs.set()
        return 0 if ends.wait(5) else 1

    monkeypatch.setattr(manage, "_run", run)
    monkeypatch.setattr(processes, "start_and_wait", lambda *_: None)
    monkeypatch.setattr(supervisor, "is_running", lambda _: True)
    monkeypatch.setattr(supervisor, "insist_on", lambda *_: None)
    monkeypatch.setattr(supervisor, "stop_program", lambda *_: None)
    monkeypatch.setattr(supervisor, "start_program", lambda *_: acts.append("start"))
    words = (layout, layout.services[0], ["runserver"])
    other = threading.Thread(target=manage._stand_in, args=words)
    other.start()
    assert runs.wait(5)
    with restore._stopped(layout, ["users"]):
        ends.set()
        other.join(0.3)
        acts.append("restored")
    other.join()
    assert acts == ["restored", "start"]


def test_a_runserver_that_waits_ends_at_once(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore of hours has the lock. The service has not been stopped yet."""
    lock, starts = Mock(side_effect=KeyboardInterrupt), Mock()
    monkeypatch.setattr(manage, "locked", lock)
    monkeypatch.setattr(supervisor, "is_running", lambda _: True)
    monkeypatch.setattr(supervisor, "insist_on", lambda *_: None)
    monkeypatch.setattr(supervisor, "start_program", starts)
    with pytest.raises(KeyboardInterrupt):
        manage._stand_in(layout, layout.services[0], ["runserver"])
    lock.assert_called_once()
    starts.assert_not_called()


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_the_help_of_runserver_stops_nothing(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    runs, stops = Mock(return_value=0), Mock()
    monkeypatch.setattr(manage, "_run", runs)
    monkeypatch.setattr(supervisor, "is_running", lambda _: True)
    monkeypatch.setattr(supervisor, "insist_on", lambda *_: None)
    monkeypatch.setattr(supervisor, "stop_program", stops)
    service = layout.services[0]
    assert manage.run(layout, [service.name, "runserver", word]) == 0
    runs.assert_called_once_with(layout, service, ["runserver", word], service.project)
    stops.assert_not_called()


def test_services_run_again_if_their_stop_is_interrupted(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with a job may take half a minute: time to regret the command."""
    started: list[str] = []
    stops = Mock(side_effect=[None, KeyboardInterrupt, KeyboardInterrupt])
    start = lambda _, name: started.append(name)  # noqa: E731
    monkeypatch.setattr(processes, "start_and_wait", lambda *_: None)
    monkeypatch.setattr(supervisor, "is_running", lambda _: True)
    monkeypatch.setattr(supervisor, "insist_on", lambda *_: None)
    monkeypatch.setattr(supervisor, "stop_program", stops)
    monkeypatch.setattr(supervisor, "start_program", start)
    with (
        pytest.raises(KeyboardInterrupt),
        restore._stopped(layout, ["auth", "users"]),
    ):
        pytest.fail("Not all of them have stopped.")
    assert started == layout.programs
    started.clear()
    with pytest.raises(KeyboardInterrupt):
        manage._stand_in(layout, layout.services[1], ["runserver"])
    assert started == ["users"]
