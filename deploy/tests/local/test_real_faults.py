"""Real servers, and what goes wrong around them: settings, ports, interruptions."""

import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from deploy.local import ports
from deploy.local.problems import INTERRUPTED, PORT_IN_USE

from .checkout import Checkout, slowness, wait_for

LEFT = "The running stack is left as it was."
# The usual trap: braces in a regular expression without quotes.
UNQUOTED = "location ~ ^/api/v1/users/[0-9a-f-]{36}$ { return 404; }\n"


# --- Settings and files ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "line", "said", "word"),
    [
        ("auth_project/.env", "ACCESS_TOKEN_LIFETIME=soon\n", "memo: auth: ACC", "up"),
        ("users_project/.env", "WEB_CONCURRENCY=many\n", "memo: users: WEB", "restart"),
        (".env", "GATEWAY_LOGIN_RATE=soon\n", "memo: gateway: GATEWAY_LOG", "restart"),
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


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("SECRET_KEY_FILE=", "SECRET_KEY_FILE=no", "SECRET_KEY"),
        # Without its line production holds, and `up` does not write it again.
        ("ENVIRONMENT=development\n", "", "JWT_ISSUER"),
    ],
)
def test_a_service_that_cannot_start_says_why_in_one_line(
    stopped: Checkout, old: str, new: str, said: str
) -> None:
    with stopped.edited("users_project/.env", old, new):
        done = stopped.run("up")
        assert new or old not in (stopped.path / "users_project/.env").read_text()
    assert done.returncode == 1
    assert "memo: users: " in done.stdout
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert stopped.family() == []


def test_up_and_check_name_settings_without_effect(stopped: Checkout) -> None:
    fault = "auth_project/.env: ARGON2_TIME_COST has no effect here; users reads it"
    with stopped.edited("auth_project/.env", "", "ARGON2_TIME_COST=2\n"):
        for word in ("check", "up"):
            assert fault in stopped.ok(word)


# --- Ports ----------------------------------------------------------------------------


def foreign(port: str) -> socket.socket:
    """Another program, which takes what it is sent."""
    return socket.create_server(("127.0.0.1", int(port)))


@pytest.mark.parametrize("variable", ["GATEWAY_PORT", "USERS_PORT"])
def test_a_taken_port_is_named_with_its_holder(
    stopped: Checkout, variable: str
) -> None:
    port = stopped.ports[variable]
    with foreign(port):
        done = stopped.run("up")
    assert done.returncode == PORT_IN_USE
    assert f"Port {port}" in done.stdout
    assert f"pid {os.getpid()} (" in done.stdout
    assert f"{variable}=" in done.stdout
    assert stopped.family() == []


def test_a_taken_port_does_not_touch_what_runs(
    running: Checkout, listener: Callable[..., int]
) -> None:
    before = running.pids()
    done = running.run("up", GATEWAY_PORT=str(listener()))
    assert done.returncode == PORT_IN_USE
    assert running.pids() == before
    assert running.ok("up").startswith("memo: already up")


@pytest.mark.parametrize("name", ["auth", "gateway"])
def test_another_program_on_a_program_s_port_is_named_and_gets_nothing(
    running: Checkout, name: str
) -> None:
    """A service is up when our process answers, and not when any does."""
    running.ok("stop", name)
    port = running.ports[f"{name.upper()}_PORT"]
    with foreign(port) as other:
        done = running.run("start", name)
        assert running.status()["processes"][name]["healthy"] is False
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
    stopped: Checkout, make_checkout: Callable[[str], Checkout]
) -> None:
    """Different ports, or a clear failure; never each other's services."""
    checkouts = [stopped, make_checkout("second")]
    given, stopped.ports, checkouts[1].ports = stopped.ports, {}, {}
    for path in [*stopped.path.glob("*_project/.env"), stopped.path / ".env"]:
        path.unlink()  # As on the first day: both choose now.
    processes = [checkout.start("up") for checkout in checkouts]
    said = [process.communicate(timeout=300)[0] for process in processes]
    up = [x for x, y in zip(checkouts, processes, strict=True) if not y.returncode]
    assert up, said
    failed = [x for x, y in zip(said, processes, strict=True) if y.returncode]
    assert all("is in use" in text for text in failed)
    for checkout in up:
        assert checkout.is_ready()
        family = set(checkout.family())
        for port in ports.written(checkout.layout).values():
            found = ports.listeners(port)
            assert found
            assert set(found) <= family
    checkouts[1].ok("down")
    stopped.ports = given


# --- Interruptions --------------------------------------------------------------------


@pytest.fixture(scope="module")
def seconds_of_up(installed: Checkout) -> float:
    """How long `up` takes on this machine, now."""
    installed.ok("down")
    begun = time.monotonic()
    installed.ok("up")
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("numbers", "part"),
    [
        ([signal.SIGINT], 0.1),
        ([signal.SIGTERM], 0.25),
        ([signal.SIGINT], 0.4),
        ([signal.SIGINT] * 2, 0.5),  # A second one ends it at once.
        ([signal.SIGHUP], 0.55),
        ([signal.SIGINT], 0.7),
    ],
)
def test_an_interrupted_up_ends_within_two_seconds_and_leaves_nothing(
    stopped: Checkout, seconds_of_up: float, numbers: list[signal.Signals], part: float
) -> None:
    process = stopped.start("up")
    time.sleep(seconds_of_up * part + random.uniform(0, 0.3))
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


def test_after_a_kill_two_at_once_make_one_stack(
    stopped: Checkout, seconds_of_up: float
) -> None:
    """A killed `up` can be repeated. One that comes while another works waits."""
    process = stopped.start("up")
    time.sleep(seconds_of_up / 2)
    process.kill()
    process.communicate()
    processes = [stopped.start("up") for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted("already up" in output for output in outputs) == [False, True]
    assert stopped.is_ready()
