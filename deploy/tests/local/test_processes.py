"""Whether a program answers, wherever its settings let it listen; starts and ends."""

import os
import re
import subprocess
import sys
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pytest

from deploy.local import doctor, stack
from deploy.local.problems import Problem
from deploy.local.servers import orphans, processes, supervisor
from deploy.local.setup import ports
from deploy.local.setup.files import write_private
from deploy.local.setup.layout import Layout
from deploy.local.setup.ports import GATEWAY
from nginx.tests.stub_service import Stub


@contextmanager
def ready_for(host: str, address: str) -> Iterator[int]:
    """A server at this address that is ready, and serves one host only; returns its
    port."""
    with Stub(host=address) as stub:
        stub.answer = lambda handler: handler.reply(
            200 if handler.headers["Host"] == host else 421, {}
        )
        yield stub.server_address[1]


@pytest.mark.parametrize("bind", ["127.0.0.2", "0.0.0.0", "[::1]", "[::]"])
def test_a_service_is_asked_where_it_listens(bind: str) -> None:
    """BIND may be the address that other hosts call (docs/operations/scaling.md)."""
    with ready_for("localhost", bind.strip("[]")) as port:
        assert processes.serves(f"{bind}:{port}", "auth")
    assert not processes.serves(f"{bind}:{port}", "auth")
    assert not processes.serves("", "auth")


@pytest.mark.parametrize(
    ("settings", "host", "address"),
    [
        ("", "localhost", "127.0.0.1"),
        ("GATEWAY_SERVER_NAMES=memo.example.org", "memo.example.org", "127.0.0.1"),
        ("GATEWAY_SERVER_NAMES=memo.example, localhost", "localhost", "127.0.0.1"),
        ("GATEWAY_SERVER_NAMES=.example.org", "example.org", "127.0.0.1"),
        ("GATEWAY_SERVER_NAMES=*.example.org", "memo.example.org", "127.0.0.1"),
        ("GATEWAY_BIND=127.0.0.2,127.0.0.3", "localhost", "127.0.0.2"),
        ("GATEWAY_BIND=::1", "localhost", "::1"),
        ("GATEWAY_BIND=[::]", "localhost", "::"),
        ("GATEWAY_BIND=0.0.0.0", "localhost", "0.0.0.0"),
    ],
)
def test_the_gateway_is_asked_where_it_listens_for_a_host_that_it_serves(
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
    settings: str,
    host: str,
    address: str,
) -> None:
    """GW-01: it answers 421 for all others, as `localhost` in production."""
    monkeypatch.setattr(ports, "listeners", lambda _: [1])
    with ready_for(host, address) as port, Stub() as service:
        text = f"GATEWAY_PORT={port}\nGATEWAY_PUBLIC_URL=http://{host}\n{settings}\n"
        write_private(layout.gateway_env, text)
        for each in layout.services:
            write_private(each.env_file, f"BIND={service.address}\n")
        assert processes.is_healthy(layout, GATEWAY, [1])
        assert not processes.is_healthy(layout, GATEWAY, [2])
        for each in ("auth_users", "users_auth"):
            write_private(Path(layout.secrets, f"{each}_service_api_key"), "key")
        assert next(doctor.examine_gateway(layout)).startswith("ok    gateway: reached")


def test_the_gateway_works_if_it_passes_to_each_service_that_answers(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this, `restart gateway` next to a stopped or a new service would wait for
    that, and in the end stop the gateway."""
    monkeypatch.setattr(ports, "listeners", lambda _: [1])
    auth, users = layout.services
    with Stub() as gateway, Stub() as service:
        text = f"GATEWAY_PORT={gateway.server_address[1]}\n"
        write_private(layout.gateway_env, text)
        gateway.answer = lambda handler: handler.reply(
            200 if handler.path.startswith("/api/v1/auth/") else 503, {}
        )
        write_private(auth.env_file, f"BIND={service.address}\n")
        assert processes.is_healthy(layout, GATEWAY, [1])  # users is new
        write_private(users.env_file, "BIND=127.0.0.1:1\n")
        assert processes.is_healthy(layout, GATEWAY, [1])  # users is stopped
        write_private(users.env_file, f"BIND={service.address}\n")
        assert not processes.is_healthy(layout, GATEWAY, [1])
        service.always(503, {})
        assert processes.is_healthy(layout, GATEWAY, [1])  # users is not ready


# --- Starts and ends ------------------------------------------------------------------

STOPPING = xmlrpc.client.Fault(6, "SHUTDOWN_STATE")
# It notes its first TERM, works on, and has no handler any more, as procrastinate.
WORKS_ON = """
import signal, time
def note(*_):
    global noted
    noted = True
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
noted = False
signal.signal(signal.SIGTERM, note)
print(flush=True)
while not noted:
    time.sleep(0.01)
time.sleep(0.3)
"""


@pytest.fixture
def supervisord(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """What answers the calls to a pretended supervisord."""
    proxy = MagicMock()
    monkeypatch.setattr(xmlrpc.client, "ServerProxy", proxy)
    answers: Mock = proxy.return_value.__enter__.return_value.supervisor
    return answers


def test_an_end_waits_until_the_supervisor_has_stopped(
    layout: Layout, supervisord: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the programs in their order, and refuses all calls meanwhile. Also after
    an end that was interrupted."""
    asked: list[int] = []
    end_all = lambda *_, **__: asked.append(supervisord.getState.call_count)  # noqa: E731
    monkeypatch.setattr(orphans, "end_all", end_all)
    supervisord.getState.side_effect = [1, *[STOPPING] * 3, ConnectionRefusedError]
    assert supervisor.end(layout)
    supervisord.getState.side_effect = [*[STOPPING] * 4, ConnectionRefusedError]
    supervisord.shutdown.side_effect = STOPPING
    assert supervisor.end(layout)
    assert asked == [5, 10]


def test_a_stack_that_is_stopping_says_so(layout: Layout, supervisord: Mock) -> None:
    supervisord.getState.side_effect = supervisord.getAllProcessInfo.side_effect = (
        STOPPING
    )
    with pytest.raises(Problem, match=r"^The stack is stopping\.$"):
        processes.gather(layout)


def test_what_is_left_is_asked_once_to_end(tmp_path: Path) -> None:
    """A second TERM would kill the jobs of a worker."""
    command = [sys.executable, "-c", WORKS_ON]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True
    ) as left:
        assert left.stdout
        left.stdout.readline()
        assert orphans.end_all(tmp_path)
    assert left.returncode == 0


def test_a_start_tries_again_at_once_what_has_failed_before(
    layout: Layout, supervisord: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """supervisord counts BACKOFF as running, and waits longer each time."""
    redis = {"group": "redis", "name": "redis", "pid": 0, "statename": "BACKOFF"}

    def start(name: str, _wait: bool) -> None:
        if redis["statename"] == "STOPPED":
            redis["statename"] = "RUNNING"

    stop = lambda _: redis.update(statename="STOPPED")  # noqa: E731
    supervisord.getAllProcessInfo.side_effect = lambda: [redis]
    supervisord.stopProcessGroup.side_effect = stop
    supervisord.startProcessGroup.side_effect = start
    is_healthy = lambda *_: redis["statename"] == "RUNNING"  # noqa: E731
    monkeypatch.setattr(processes, "is_healthy", is_healthy)
    processes.start(layout, ["redis"])
    assert redis["statename"] == "RUNNING"


def test_half_of_a_service_is_not_ready_and_is_started(
    layout: Layout, supervisord: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `restart` was interrupted between the stop and the start of one process."""
    half, other = (
        {"group": "auth", "name": name, "pid": 1, "statename": "RUNNING"}
        for name in ("auth-1", "auth-2")
    )
    monkeypatch.setattr(processes, "is_healthy", lambda *_: True)
    supervisord.getAllProcessInfo.side_effect = lambda: [half, other]
    for state in ("STOPPING", "STOPPED"):
        half["statename"] = state
        assert processes.gather(layout)["state"] == processes.DEGRADED
    start = lambda *_: half.update(statename="RUNNING")  # noqa: E731
    supervisord.startProcessGroup.side_effect = start
    processes.start(layout, ["auth"])
    supervisord.startProcessGroup.assert_called_once_with("auth", False)
    assert processes.gather(layout)["state"] == processes.READY


def test_a_service_of_which_half_crashes_is_not_ready_and_is_not_stopped(
    layout: Layout, supervisord: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other half serves."""
    half = {"group": "auth", "name": "auth-1", "pid": 0, "statename": "BACKOFF"}
    other = {"group": "auth", "name": "auth-2", "pid": 1, "statename": "RUNNING"}
    monkeypatch.setattr(processes, "is_healthy", lambda *_: True)
    supervisord.getAllProcessInfo.side_effect = lambda: [half, other]
    found = processes.gather(layout)
    assert found["state"] == processes.DEGRADED
    assert found["processes"]["auth"]["state"] == "failing"
    processes.start(layout, ["auth"])
    supervisord.stopProcessGroup.assert_not_called()


def test_a_start_waits_for_a_stop_that_was_interrupted(
    layout: Layout, supervisord: Mock
) -> None:
    """supervisord accepts a start of what still runs, and does nothing."""
    worker = {"group": "users-worker", "name": "users-worker", "statename": "STOPPING"}
    ended = {**worker, "statename": "STOPPED"}
    supervisord.getAllProcessInfo.side_effect = [[worker], [worker], [ended]]

    def start(name: str, _wait: bool) -> None:
        assert (name, supervisord.getAllProcessInfo.call_count) == (worker["name"], 3)

    supervisord.startProcessGroup.side_effect = start
    assert supervisor.start_program(layout, "users-worker")
    supervisord.startProcessGroup.assert_called_once()


def test_a_restart_waits_for_a_stop_that_was_interrupted(
    layout: Layout, supervisord: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The half that has stopped starts before the other one stops."""
    users = {"group": "users", "pid": os.getpid(), "statename": "RUNNING"}
    other, half = ({**users, "name": f"users-{number}"} for number in (1, 2))
    half["statename"] = "STOPPING"
    ended = {**half, "pid": 0, "statename": "STOPPED"}
    found = [[other, half], [other, half], [other, ended], [other, ended]]
    supervisord.getAllProcessInfo.side_effect = found
    supervisord.getProcessInfo.return_value = other
    monkeypatch.setattr(supervisor, "is_loading", lambda _: False)
    supervisor.restart_one_by_one(layout, "users")
    started = [each.args[0] for each in supervisord.startProcess.mock_calls]
    assert started == ["users:users-2", "users:users-1"]


@pytest.mark.parametrize(
    "act",
    [
        lambda layout: stack.restart(layout, ["users"]),
        lambda layout: processes.start(layout, ["users-worker"]),
        lambda layout: processes.stop(layout, ["users-worker"]),
    ],
)
def test_a_program_that_is_newer_than_the_stack_is_named(
    layout: Layout, supervisord: Mock, act: Callable[[Layout], None]
) -> None:
    """After a `git pull` that brings it."""
    users = {"group": "users", "name": "users-1", "pid": 1, "statename": "RUNNING"}
    supervisord.getAllProcessInfo.return_value = [users]
    with pytest.raises(Problem, match=r"^users-worker has never run\.\n  .* up$"):
        act(layout)


@pytest.mark.parametrize(("written", "real"), [(1, 2), (3, 4), (4, 4)])
def test_what_counts_workers_knows_how_many_there_are(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, written: int, real: int
) -> None:
    """BF-05: without Redis a limit is divided by them. Each process has as many."""
    for each in layout.services:
        text = f"BIND=127.0.0.1:1\nWEB_CONCURRENCY={written}\n"
        write_private(each.env_file, text)
    run = Mock(return_value=subprocess.CompletedProcess([], 0, "ok    x  y\n", ""))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(subprocess, "Popen", Mock())
    monkeypatch.setattr(supervisor, "is_running", lambda _: True)
    supervisor.start(layout, 17)
    config = (layout.state / "supervisord.conf").read_text()
    assert re.findall(r"--workers (\d+)", config) == [str(real // 2)] * 2
    assert set(re.findall(r'WEB_CONCURRENCY="(\d+)"', config)) == {str(real)}
    assert [*doctor.lines_of(layout, layout.services[0], "doctor")]
    assert run.call_args.kwargs["env"]["WEB_CONCURRENCY"] == str(real)
