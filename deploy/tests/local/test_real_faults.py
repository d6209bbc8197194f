"""Real servers, and what goes wrong around them: settings, ports, interruptions."""

import os
import random
import signal
import socket
import time
from collections.abc import Callable

import pytest

from deploy.local.problems import INTERRUPTED, PORT_IN_USE

from .checkout import Checkout, wait_for

LEFT = "The running stack is left as it was."


# --- A fault leaves the running stack as it is ----------------------------------------


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("auth_project/.env", "ACCESS_TOKEN_LIFETIME=soon", "auth: ACCESS_TOKEN_LIFE"),
        ("users_project/.env", "WEB_CONCURRENCY=many", "users: WEB_CONCURRENCY must"),
        (".env", "GATEWAY_LOGIN_RATE=soon", "gateway: GATEWAY_LOGIN_RATE"),
    ],
)
def test_a_wrong_setting_leaves_the_running_stack_as_it_is(
    running: Checkout, file: str, line: str, said: str
) -> None:
    before = running.pids()
    back = running.edit(file, f"{{}}{line}\n".format)
    try:
        tried = [running.run(word) for word in ("up", "restart")]
    finally:
        back()
    for done in tried:
        assert done.returncode == 1
        assert f"memo: {said}" in done.stdout
        assert LEFT in done.stdout
        assert "Traceback" not in done.stdout
    assert running.pids() == before
    assert running.is_ready()


def test_a_fault_in_an_nginx_file_leaves_the_running_stack_as_it_is(
    running: Checkout,
) -> None:
    """The usual trap: braces in a regular expression without quotes."""
    before = running.pids()
    file = "nginx/services/users.conf"
    fault = "location ~ ^/api/v1/users/[0-9a-f-]{36}$ { return 404; }\n"
    back = running.edit(file, lambda text: text + fault)
    try:
        tried = [running.run(word) for word in ("up", "restart")]
    finally:
        back()
    for done in tried:
        assert done.returncode == 1
        assert "services/users.conf:" in done.stdout
        assert LEFT in done.stdout
    assert running.pids() == before
    assert running.is_ready()


def test_gunicorn_that_cannot_start_says_why_in_one_line(stopped: Checkout) -> None:
    def spoilt(text: str) -> str:
        return text.replace("SECRET_KEY_FILE=", "SECRET_KEY_FILE=no")

    back = stopped.edit("users_project/.env", spoilt)
    try:
        done = stopped.run("up")
    finally:
        back()
    assert done.returncode == 1
    assert "memo: users: " in done.stdout
    assert "SECRET_KEY" in done.stdout
    assert "Traceback" not in done.stdout
    assert stopped.family() == []


def test_up_and_check_name_settings_without_effect(running: Checkout) -> None:
    lines = (
        "JWT_LEWAY=1\nJWT_LEEWAY=10\nJWT_LEEWAY=10\nARGON2_TIME_COST=2\nwhat is it\n"
    )
    back = running.edit("auth_project/.env", lambda text: text + lines)
    try:
        outputs = [running.ok(word) for word in ("check", "up")]
    finally:
        back()
    for said in outputs:
        for fault in (
            "JWT_LEWAY has no effect; did you mean JWT_LEEWAY?",
            "JWT_LEEWAY is there twice",
            "ARGON2_TIME_COST has no effect here; users reads it",
            "is neither a setting nor a comment",
        ):
            assert f"auth_project/.env: {fault}" in said or fault in said


def test_without_its_line_production_holds(stopped: Checkout) -> None:
    def without(text: str) -> str:
        kept = [x for x in text.splitlines() if not x.startswith("ENVIRONMENT")]
        return "\n".join(kept) + "\n"

    back = stopped.edit("users_project/.env", without)
    try:
        done = stopped.run("up")
        assert "ENVIRONMENT" not in (stopped.path / "users_project/.env").read_text()
    finally:
        back()
    assert done.returncode == 1
    assert "JWT_ISSUER" in done.stdout


# --- Ports ----------------------------------------------------------------------------


@pytest.fixture
def foreign() -> Callable[[str], socket.socket]:
    """Another program, which takes what it is sent."""

    def listen(port: str) -> socket.socket:
        return socket.create_server(("127.0.0.1", int(port)))

    return listen


@pytest.mark.parametrize("variable", ["GATEWAY_PORT", "USERS_PORT"])
def test_a_taken_port_is_named_with_its_holder(
    stopped: Checkout, foreign: Callable[[str], socket.socket], variable: str
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
    running: Checkout, foreign: Callable[[str], socket.socket], name: str
) -> None:
    """A service is up when our process answers, and not when any does."""
    running.ok("stop", name)
    port = running.ports[f"{name.upper()}_PORT"]
    with foreign(port) as other:
        done = running.run("start", name)
        assert running.status()["processes"][name]["healthy"] is False
        other.settimeout(0.2)
        received = b""
        try:
            while True:
                connection, _ = other.accept()
                with connection:
                    connection.settimeout(0.2)
                    received += connection.recv(65_536)
        except TimeoutError:
            pass
    assert done.returncode == PORT_IN_USE
    assert f"Port {port} ({name}) is in use" in done.stdout
    assert f"pid {os.getpid()} (" in done.stdout
    assert b"password" not in received
    assert b"Api-Key" not in received
    running.ok("start", name)
    assert running.is_ready()


def test_two_checkouts_up_at_the_same_moment_are_two(
    running: Checkout, make_checkout: Callable[[str], Checkout]
) -> None:
    """Different ports, or a clear failure; never each other's services."""
    running.ok("down")
    checkouts = [running, make_checkout("second")]
    for checkout in checkouts:
        checkout.ok("init")
        checkout.ports, checkout.first = {}, checkout.ports  # type: ignore[attr-defined]
        (checkout.path / ".env").unlink()  # As on the first day: both choose now.
        for path in checkout.path.glob("*_project/.env"):
            path.unlink()
    processes = [checkout.start("up") for checkout in checkouts]
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert any(process.returncode == 0 for process in processes), said
    for checkout, process, text in zip(checkouts, processes, said, strict=True):
        if process.returncode:
            assert "is in use" in text
        else:
            assert checkout.is_ready()
            _is_served_by_itself(checkout)
    urls = {checkout.status()["url"] for checkout in checkouts} - {""}
    assert len(urls) == sum(process.returncode == 0 for process in processes)
    second = checkouts[1]
    second.ok("down")
    running.ports = running.first  # type: ignore[attr-defined]
    running.ok("up")


def _is_served_by_itself(checkout: Checkout) -> None:
    from deploy.local.files import read_env
    from deploy.local.ports import holder

    family = set(checkout.family())
    ports = [read_env(checkout.layout.gateway_env)["GATEWAY_PORT"]]
    for service in checkout.layout.services:
        ports.append(read_env(service.env_file)["BIND"].rpartition(":")[2])
    for port in ports:
        found = holder(int(port))
        assert found is not None
        assert set(found.pids) <= family
        assert found.pids


# --- Interruptions --------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("part", [0.1, 0.4, 0.7])
def test_an_interrupted_up_ends_within_two_seconds_and_leaves_nothing(
    stopped: Checkout, number: signal.Signals, part: float
) -> None:
    seconds = _seconds_of_up(stopped) * part + random.uniform(0, 0.3)
    process = stopped.start("up")
    time.sleep(seconds)
    begun = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=60)[0]
    took = time.monotonic() - begun
    if process.returncode == 0:  # It was quicker than the time before.
        assert "ready in" in said
        stopped.ok("down")
        return
    assert process.returncode in (INTERRUPTED, -number)
    assert took < 2 * _slowness()
    if process.returncode == INTERRUPTED:
        assert said.endswith("memo: interrupted\n")
    assert wait_for(lambda: not stopped.family(), 5)


def test_a_second_ctrl_c_ends_it_at_once_and_up_works_again(stopped: Checkout) -> None:
    process = stopped.start("up")
    time.sleep(_seconds_of_up(stopped) / 2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - begun < 2
    stopped.ok("up")
    assert stopped.is_ready()


def test_a_killed_up_can_be_repeated(stopped: Checkout) -> None:
    process = stopped.start("up")
    time.sleep(_seconds_of_up(stopped) / 2)
    process.kill()
    process.communicate()
    stopped.ok("up")
    assert stopped.is_ready()


def test_up_while_another_up_works_waits_for_it(stopped: Checkout) -> None:
    processes = [stopped.start("up") for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted("already up" in output for output in outputs) == [False, True]


_measured: list[float] = []


def _seconds_of_up(stopped: Checkout) -> float:
    """How long `up` takes on this machine, now."""
    if not _measured:
        begun = time.monotonic()
        stopped.ok("up")
        _measured.append(time.monotonic() - begun)
        stopped.ok("down")
    return _measured[0]


def _slowness() -> float:
    """How many programs there are for each processor, at least one."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
