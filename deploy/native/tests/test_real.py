"""The whole thing on scratch copies of this checkout: real servers, real kills."""

import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.native import health, strays
from deploy.native.problems import INTERRUPTED, MISSING, PORT_IN_USE, USAGE

from .checkout import Checkout, end

PROCESSES = {"auth-db", "users-db", "redis", "auth", "users", "gateway"}


def service_at(port: str, name: str) -> str:
    """The name that answers on a port as a ready service."""
    path = f"/api/v1/{name}/health/ready"
    found = health.get_json(int(port), path, f"localhost:{port}")
    return str(found.get("service", ""))


def register(checkout: Checkout, name: str) -> int:
    """Sends a person through the gateway; returns the status."""
    person = {"username": name, "email": f"{name}@example.com", "password": "x7-Rz.q2!"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{checkout.ports['GATEWAY_PORT']}/api/v1/users/",
        json.dumps(person).encode(),
        {"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request) as response:
            return int(response.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code


def test_up_makes_everything_ready(running: Checkout) -> None:
    done = running.run("status", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["state"] == "ready"
    assert found["url"] == f"http://localhost:{running.ports['GATEWAY_PORT']}"
    assert found["processes"].keys() == PROCESSES
    assert {each["state"] for each in found["processes"].values()} == {"running"}
    for name in ("auth", "users"):
        assert service_at(running.ports["GATEWAY_PORT"], name) == name


def test_a_second_up_is_quick_and_keeps_every_process(running: Checkout) -> None:
    before = running.pids()
    begun = time.monotonic()
    done = running.run("up")
    assert time.monotonic() - begun < 5
    assert done.returncode == 0
    assert "already up" in done.stdout
    assert running.pids() == before


def test_a_changed_setting_is_what_runs_after_up(running: Checkout) -> None:
    file = running.path / "auth_project" / ".env"
    text = file.read_text()
    before = running.pids()
    file.write_text(text + "JWT_LEEWAY=11\n")
    done = running.run("up")
    assert done.returncode == 0, done.stdout
    assert not set(before.values()) & set(running.pids().values())
    file.write_text(text)


def test_nothing_of_ours_can_be_read_by_others(running: Checkout) -> None:
    layout = running.layout
    for folder in (layout.base, layout.secrets, layout.sockets):
        assert folder.stat().st_mode & 0o777 == 0o700
    private = list((layout.keys / "private").glob("*.pem"))
    assert private
    assert all(path.stat().st_mode & 0o77 == 0 for path in private)
    assert not [
        path
        for path in layout.logs.iterdir()
        for secret in layout.secrets.iterdir()
        if secret.is_file() and secret.read_text() in path.read_text()
    ]


def test_the_servers_listen_on_the_loopback_or_not_at_all(running: Checkout) -> None:
    """PostgreSQL and Redis have no port; everything else is 127.0.0.1 or ::1."""
    pids = running.family()
    inodes = {inode for pid in pids for inode in _socket_inodes(pid)}
    listening = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                listening[int(port, 16)] = address
    assert {str(port) for port in listening} == set(running.ports.values())
    loopbacks = {"0100007F", "00000000000000000000000001000000"}
    assert set(listening.values()) <= loopbacks


def _socket_inodes(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            found.append(target[8:-1])
    return found


def test_roles_own_no_more_than_they_should(running: Checkout) -> None:
    query = (
        "select rolname, rolsuper, rolcreatedb from pg_roles"
        " where rolname like 'auth%' order by 1"
    )
    assert _psql(running, "auth", query) == "auth_app|f|f\nauth_owner|f|t"
    can_create = "select has_schema_privilege('auth_app', 'public', 'create')"
    assert _psql(running, "auth", can_create) == "f"
    ddl = "set role auth_app; create temp table x ()"
    assert "permission denied" in _psql(running, "auth", ddl)


def _psql(checkout: Checkout, service: str, query: str) -> str:
    folder = checkout.layout.socket_folder(f"{service}-db")
    plan = json.loads(checkout.layout.plan.read_text())
    server = Path(plan["processes"][0]["command"][0])
    command = [str(server.with_name("psql")), "-XAtq", "-h", str(folder)]
    command += ["-U", "memo_admin", "-d", service, "-c", query]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


def test_redis_keeps_services_to_their_keys(running: Checkout) -> None:
    assert _redis(running, "auth", "SET session:1 active") == "+OK"
    assert _redis(running, "users", "GET session:1") == "$6"
    assert _redis(running, "users", "SET session:1 x").startswith("-NOPERM")
    assert _redis(running, "users", "SET users:1 x") == "+OK"
    for command in ("FLUSHALL", "CONFIG GET dir", "KEYS *", "CLIENT LIST"):
        assert _redis(running, "auth", command).startswith("-NOPERM")
    for command in (
        "MULTI",
        "PING",
        "CLIENT SETNAME x",
        'EVAL "return 1" 0',
        "INCR auth:n",
    ):
        assert not _redis(running, "auth", command).startswith("-")


def _redis(checkout: Checkout, user: str, command: str) -> str:
    """The first line of the answer to a command."""
    password = (checkout.layout.secrets / f"{user}_redis_password").read_text()
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(checkout.layout.sockets / "redis.sock"))
        file = wire.makefile("rwb")
        file.write(f"AUTH {user} {password}\r\n{command}\r\n".encode())
        file.flush()
        assert file.readline() == b"+OK\r\n"
        return file.readline().decode().strip()


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_a_killed_process_is_started_again(running: Checkout, name: str) -> None:
    found = running.status()["processes"][name]
    os.kill(found["pid"], signal.SIGKILL)

    def is_back() -> bool:
        now = running.status()
        changed = now["processes"][name]["pid"] != found["pid"]
        return changed and bool(now["state"] == "ready")

    assert running.becomes(is_back)
    restarts = running.status()["processes"][name]["restarts"]
    assert restarts == found["restarts"] + 1


def test_a_stopped_process_stays_stopped_until_it_is_started(
    running: Checkout,
) -> None:
    assert running.run("stop", "redis").returncode == 0
    time.sleep(0.5)
    done = running.run("status", "--json")
    assert done.returncode == 4
    found = json.loads(done.stdout)
    assert found["state"] == "degraded"
    assert found["processes"]["redis"]["state"] == "stopped"
    assert running.run("start", "redis").returncode == 0
    assert running.is_ready()


def test_restarting_one_process_leaves_the_others(running: Checkout) -> None:
    before = running.pids()
    assert running.run("restart", "users").returncode == 0
    after = running.pids()
    changed = {name for name in PROCESSES if before[name] != after[name]}
    assert changed == {"users"}


def test_nothing_outlives_a_killed_supervisor(running: Checkout) -> None:
    pids = running.pids()
    supervisor = strays.read(pids["gateway"])
    assert supervisor is not None
    os.kill(supervisor.parent, signal.SIGKILL)
    assert running.becomes(lambda: not running.family(), seconds=15)
    assert running.run("status").returncode == 3
    assert running.run("up").returncode == 0


def test_everything_killed_at_once_comes_back_with_its_data(running: Checkout) -> None:
    assert register(running, "survivor") == 201
    running.kill_all()
    # After a restart of the machine the pid in the file belongs to somebody else.
    for file in running.layout.state.glob("postgres/*/*/data/postmaster.pid"):
        lines = file.read_text().splitlines()
        file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    done = running.run("up")
    assert done.returncode == 0, done.stdout
    assert register(running, "survivor") == 409


def test_down_leaves_no_process_and_keeps_data(running: Checkout) -> None:
    assert register(running, "keeper") in (201, 409)
    assert running.run("down").returncode == 0
    assert running.family() == []
    assert not list(running.layout.sockets.rglob("*.sock"))
    done = running.run("down")
    assert done.returncode == 0
    assert "nothing was running" in done.stdout
    assert running.run("up").returncode == 0
    assert register(running, "keeper") == 409


def test_an_interrupted_up_leaves_nothing_and_can_be_repeated(
    stopped: Checkout,
) -> None:
    how = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
    for number in how:
        process = stopped.start("up")
        time.sleep(random.uniform(0.2, 2.5))
        output = end(process, number)
        if "ready in" in output:
            stopped.run("down")
        elif number != signal.SIGKILL:
            assert process.returncode == INTERRUPTED, output
            assert stopped.family() == []
    done = stopped.run("up")
    assert done.returncode == 0, done.stdout
    assert stopped.is_ready()


def test_up_while_another_up_works_waits_for_it(stopped: Checkout) -> None:
    first, second = stopped.start("up"), stopped.start("up")
    outputs = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert sorted("already up" in output for output in outputs) == [False, True]


@pytest.mark.parametrize("variable", ["GATEWAY_PORT", "USERS_PORT"])
def test_a_taken_port_is_named_with_a_way_out(stopped: Checkout, variable: str) -> None:
    port = stopped.ports[variable]
    with socket.create_server(("127.0.0.1", int(port))):
        done = stopped.run("up")
    assert done.returncode == PORT_IN_USE
    assert f"Port {port}" in done.stdout
    assert f"{variable}=" in done.stdout
    assert stopped.family() == []


def test_a_taken_port_does_not_touch_what_runs(
    running: Checkout, listener: Callable[[str], int]
) -> None:
    before = running.pids()
    done = running.run("up", GATEWAY_PORT=str(listener("127.0.0.1")))
    assert done.returncode == PORT_IN_USE
    assert running.pids() == before
    assert running.run("up").stdout.startswith("memo: already up")


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        (
            "auth_project/.env",
            "ACCESS_TOKEN_LIFETIME=soon",
            "auth: ACCESS_TOKEN_LIFETIME",
        ),
        ("users_project/.env", "WEB_CONCURRENCY=many", "users: ValueError"),
        (".env", "GATEWAY_LOGIN_RATE=soon", "gateway: GATEWAY_LOGIN_RATE"),
    ],
)
def test_a_wrong_setting_does_not_touch_what_runs(
    running: Checkout, file: str, line: str, told: str
) -> None:
    before, path = running.pids(), running.path / file
    text = path.read_text()
    path.write_text(f"{text}{line}\n")
    try:
        tried = [running.run(verb) for verb in ("up", "restart")]
    finally:
        path.write_text(text)
    for done in tried:
        assert done.returncode == 1
        assert f"memo: {told}" in done.stdout
        assert "Traceback" not in done.stdout
    assert running.pids() == before
    assert running.is_ready()


def test_gunicorn_that_cannot_start_says_why_in_one_line(stopped: Checkout) -> None:
    file = stopped.path / "users_project" / ".env"
    text = file.read_text()
    file.write_text(f"{text}WEB_CONCURRENCY=many\n")
    try:
        done = stopped.run("up")
    finally:
        file.write_text(text)
    assert done.returncode == 1
    assert "WEB_CONCURRENCY must be 1 to 1000" in done.stdout
    assert "Traceback" not in done.stdout
    assert stopped.family() == []


def test_a_service_that_cannot_start_is_shown_with_its_log(stopped: Checkout) -> None:
    file = stopped.path / "users_project" / ".env"
    text = file.read_text()
    file.write_text(text.replace("SECRET_KEY_FILE=", "SECRET_KEY_FILE=no"))
    try:
        done = stopped.run("up")
    finally:
        file.write_text(text)
    assert done.returncode == 1
    assert "users" in done.stdout
    assert "SECRET_KEY_FILE" in done.stdout
    assert stopped.family() == []


def test_a_port_of_root_is_refused_clearly(stopped: Checkout) -> None:
    lowest = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    if int(lowest) <= 81:
        pytest.skip("this machine gives every port to everyone")
    done = stopped.run("up", GATEWAY_PORT="81")
    assert done.returncode == MISSING
    assert "kept for root" in done.stdout


def test_a_command_runs_in_every_service_that_knows_it(running: Checkout) -> None:
    done = running.run("check")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("System check identified no issues") == 2
    done = running.run("createsuperuser", "--help")
    assert "== users" in done.stdout
    done = running.run("no_such_command")
    assert done.returncode == USAGE
    assert "no_such_command" in done.stdout


def test_a_command_runs_in_one_service(running: Checkout) -> None:
    done = running.run("auth", "check")
    assert done.returncode == 0
    assert done.stdout.count("System check identified no issues") == 1
    done = running.run("users", "migrate", "--check")
    assert done.returncode == 0, done.stdout


def test_runserver_stands_in_for_the_service_and_gives_its_place_back(
    running: Checkout,
) -> None:
    process = running.start("users", "runserver", running.ports["USERS_PORT"])
    try:
        assert running.becomes(lambda: _stands_in(running))
        assert service_at(running.ports["GATEWAY_PORT"], "users") == "users"
        assert running.is_ready()
        assert "already up" in running.run("up").stdout
        assert _stands_in(running)
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C
        process.communicate(timeout=30)
    finally:
        end(process)
    assert process.returncode == 0
    assert running.becomes(running.is_ready)


def _stands_in(checkout: Checkout) -> bool:
    users = checkout.status()["processes"]["users"]
    port = checkout.ports["USERS_PORT"]
    return users["state"] == "replaced" and service_at(port, "users") == "users"


def test_down_ends_a_runserver_too(running: Checkout) -> None:
    process = running.start("users", "runserver", running.ports["USERS_PORT"])
    try:
        assert running.becomes(lambda: _stands_in(running))
        assert running.run("down").returncode == 0
        process.communicate(timeout=30)
    finally:
        end(process)
    assert running.family() == []


def test_two_checkouts_run_side_by_side(
    running: Checkout, make_checkout: Callable[[str], Checkout]
) -> None:
    second = make_checkout("second")
    second.ports = {}  # It has to find its own.
    done = second.run("up", MEMO_PYTHON="")
    assert done.returncode == 0, done.stdout
    assert second.is_ready()
    assert second.status()["url"] != running.status()["url"]
    assert second.run("down").returncode == 0
    assert second.family() == []
    assert running.is_ready()


def test_the_demo_walks_through(running: Checkout) -> None:
    done = running.run("demo")
    assert done.returncode == 0, done.stdout
    assert "everything answered as it should" in done.stdout


def test_logs_show_the_end_of_a_log(running: Checkout) -> None:
    assert "Listening at" in running.run("logs", "auth").stdout
    assert "auth       | " in running.run("logs").stdout
    assert running.run("logs", "nobody").returncode == 1


def test_the_doctor_finds_nothing_wrong(running: Checkout) -> None:
    done = running.run("doctor")
    assert done.returncode == 0, done.stdout
    assert "  WRONG" not in done.stdout
    assert ", 0 WRONG;" in done.stdout.splitlines()[-1]


def test_destroy_asks_and_then_removes_everything(running: Checkout) -> None:
    assert running.run("destroy").returncode == 1
    assert running.is_ready()
    assert running.run("destroy", "--yes").returncode == 0
    assert running.family() == []
    assert not running.layout.base.exists()
    assert not running.layout.secrets.exists()
    assert (running.path / ".env").exists()
