"""Real servers, and what goes wrong around them: settings, ports, interruptions."""

import os
import random
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.problems import INTERRUPTED, MISSING, PORT_IN_USE, Problem
from deploy.local.servers import gateway, processes, supervisor
from deploy.local.setup import ports

from .checkout import Checkout, FirstUps, slowness, wait_for

LEFT = "The running stack was not changed."
BROKEN = 'raise RuntimeError("of this test")\n'
# The usual trap: braces in a regular expression without quotes.
UNQUOTED = "location ~ ^/api/v1/users/[0-9a-f-]{36}$ { return 404; }\n"


# --- Settings and files ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "line", "said", "word"),
    [
        ("users_project/.env", "WEB_CONCURRENCY=many\n", "memo: users: WEB", "up"),
        (".env", "GATEWAY_UPSTREAM_AUTH=a\n", "memo: gateway: GATEWAY_UP", "restart"),
        ("nginx/services/users.conf", UNQUOTED, "services/users.conf:", "up"),
    ],
)
def test_a_fault_leaves_the_running_stack_as_it_is(
    running: Checkout, file: str, line: str, said: str, word: str
) -> None:
    before = running.pids()
    with running.edited(file, "", line):
        done = running.run(word)
    assert done.returncode == 1
    assert said in done.stdout
    assert LEFT in done.stdout
    assert "Traceback" not in done.stdout
    assert running.pids() == before
    assert running.is_ready()


def test_a_configuration_that_nginx_refuses_when_it_serves_is_a_failed_restart(
    running: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own check passes: a limit counts something else than before."""
    before, template = running.pids(), "nginx/gateway.conf.template"
    monkeypatch.setattr(processes, "READY_SECONDS", 2)
    line = "limit_req_zone {} zone=login"
    old, new = (line.format(f"$client_key{x}") for x in ("_of_change", ""))
    with running.edited(template, old, new):
        gateway.check(running.layout)
        with pytest.raises(Problem, match="serves with the old") as caught:
            processes.replace(running.layout, ["gateway"])
    [log] = re.findall("grep emerg (.*)", caught.value.hint)
    assert "[emerg]" in Path(log).read_text()
    assert running.pids() == before
    assert running.is_ready()
    running.ok("restart", "gateway")


def test_a_restart_that_fails_leaves_the_other_process(running: Checkout) -> None:
    """Also when it is tried again."""
    before = running.pids()["auth"]
    with running.edited("auth_project/config/wsgi.py", "", BROKEN):
        for _ in range(2):
            done = running.run("restart", "auth")
            assert done.returncode == 1
            assert "memo: auth does not start." in done.stdout
            assert "Error: of this test" in done.stdout
            assert before[1] in running.pids()["auth"]
            assert running.service_at("auth", at="auth")
    running.ok("restart", "auth")
    assert not set(before) & set(running.pids()["auth"])
    assert len(running.pids()["auth"]) == 2


# --- Ports ----------------------------------------------------------------------------


def foreign(port: int) -> socket.socket:
    """Another program, which takes what it is sent."""
    return socket.create_server(("127.0.0.1", port))


def test_a_taken_port_does_not_touch_what_runs(
    running: Checkout, listener: Callable[..., int]
) -> None:
    before = running.pids()
    done = running.run("up", GATEWAY_PORT=str(listener()))
    assert done.returncode == PORT_IN_USE
    assert running.pids() == before
    assert running.ok("up").startswith("memo: already up")


@pytest.mark.parametrize("words", [["restart", "gateway"], ["restart"], ["up"]])
def test_a_taken_port_in_the_settings_does_not_touch_what_runs(
    running: Checkout, listener: Callable[..., int], words: list[str]
) -> None:
    before, mine = running.pids(), f"GATEWAY_PORT={running.ports['gateway']}\n"
    with running.edited(".env", mine, f"GATEWAY_PORT={listener()}\n"):
        done = running.run(*words)
    assert done.returncode == PORT_IN_USE
    assert f"pid {os.getpid()} (" in done.stdout
    assert running.pids() == before
    assert running.is_ready()


@pytest.mark.parametrize("name", ["auth", "gateway"])
def test_another_program_on_a_program_s_port_is_named_and_gets_nothing(
    running: Checkout, name: str
) -> None:
    """A service is up when our process answers, and not when any does."""
    running.ok("stop", name)
    port = running.ports[name]
    with foreign(port) as other:
        done = running.run("start", name)
        # Of this one alone: the gateway would wait for the other program's answer.
        found = processes.gather(running.layout, [name])["processes"][name]
        assert found["healthy"] is False
        received = b"".join(received_by(other))
    assert done.returncode == PORT_IN_USE
    assert f"Port {port} ({name}) is in use" in done.stdout
    assert f"pid {os.getpid()} (" in done.stdout
    assert b"password" not in received
    assert b"Api-Key" not in received
    running.ok("start", name)
    assert running.is_ready()


def received_by(other: socket.socket) -> Iterator[bytes]:
    other.settimeout(0.2)
    try:
        while True:
            connection, _ = other.accept()
            with connection:
                connection.settimeout(0.2)
                yield connection.recv(65_536)
    except TimeoutError:
        return


def test_two_checkouts_up_at_the_same_moment_are_two(
    running: Checkout, first_ups: FirstUps
) -> None:
    """Different ports, or a clear failure; never each other's services."""
    up = [checkout for checkout, status, _ in first_ups if status == 0]
    assert up, first_ups
    assert all("is in use" in said for _, status, said in first_ups if status)
    for checkout in up:
        assert checkout.is_ready()
        family = set(checkout.family())
        for port in checkout.ports.values():
            found = ports.listeners(port)
            assert found
            assert set(found) <= family


# --- What keeps it from starting: the second checkout, which is stopped ---------------


def test_nothing_outlives_a_killed_supervisor(first_ups: FirstUps) -> None:
    checkout = first_ups[1][0]
    checkout.ok("up")
    os.kill(supervisor.call(checkout.layout, "getPID"), signal.SIGKILL)
    assert wait_for(lambda: not checkout.family(), 60)
    assert checkout.run("status").returncode == MISSING


def test_a_service_that_cannot_start_says_why_in_one_line(stopped: Checkout) -> None:
    """Without its line production holds, and `up` does not write it again."""
    line = "ENVIRONMENT=development\n"
    with stopped.edited("users_project/.env", line, ""):
        done = stopped.run("up")
        assert line not in (stopped.path / "users_project/.env").read_text()
    assert done.returncode == 1
    assert "memo: users: " in done.stdout
    assert "JWT_ISSUER" in done.stdout
    assert "Traceback" not in done.stdout
    assert stopped.family() == []


def test_a_command_without_its_database_says_so_in_one_line(stopped: Checkout) -> None:
    done = stopped.run("users", "activateuser", "ada")
    assert done.returncode == 1
    assert "CommandError: PostgreSQL or Redis failed: " in done.stdout
    assert "memo: the stack is not running" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_taken_port_is_named_with_its_holder(stopped: Checkout) -> None:
    port = stopped.ports["gateway"]
    with foreign(port):
        done = stopped.run("up")
    assert done.returncode == PORT_IN_USE
    assert f"Port {port}" in done.stdout
    assert f"pid {os.getpid()} (" in done.stdout
    assert "GATEWAY_PORT=" in done.stdout
    assert stopped.family() == []


# --- Interruptions --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "stage"),
    [
        pytest.param([signal.SIGINT], "", marks=pytest.mark.verify),
        pytest.param([signal.SIGTERM], "PostgreSQL", marks=pytest.mark.verify),
        ([signal.SIGINT] * 2, "PostgreSQL"),  # A second one ends it at once.
        ([signal.SIGINT], "roles"),
        pytest.param([signal.SIGHUP], "services", marks=pytest.mark.verify),
    ],
)
def test_an_interrupted_up_ends_within_two_seconds_and_leaves_nothing(
    stopped: Checkout, numbers: list[signal.Signals], stage: str
) -> None:
    process = stopped.up_to(stage)
    time.sleep(random.uniform(0.1, 0.6))
    begun = time.monotonic()
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.02)
    said = process.communicate(timeout=60)[0]
    took = time.monotonic() - begun
    if process.returncode == 0:  # It was quicker than the time before.
        assert "ready in" in said
        return
    assert process.returncode in (INTERRUPTED, -numbers[0])
    assert took < 2 * slowness()
    if len(numbers) == 1:
        assert process.returncode < 0 or said.endswith("memo: interrupted\n")
        assert wait_for(lambda: not stopped.family(), 5)
