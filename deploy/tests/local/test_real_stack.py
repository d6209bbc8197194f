"""Real servers on a scratch copy of this checkout: what `up` gives, and real kills."""

import os
import re
import signal
import time
from contextlib import suppress
from glob import glob
from itertools import chain
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from deploy.local.problems import USAGE
from deploy.local.servers import orphans, processes
from deploy.local.setup.secretfiles import KEY

from .checkout import Checkout, slowness, wait_for

PROCESSES = {"auth-db", "users-db", "redis", "auth", "users", "gateway"}
PROCESSES |= {"users-worker"}


# --- What runs ------------------------------------------------------------------------


def test_a_second_up_is_quick_and_prints_every_url(running: Checkout) -> None:
    running.ok("users", "rotatefactorkeys", "--new")  # Services see new keys.
    before, begun = running.pids(), time.monotonic()
    said = running.ok("up")
    assert time.monotonic() - begun < 5 * slowness()
    assert said.startswith("memo: already up")
    assert running.pids() == before
    found, url = running.printed_state(), f"http://localhost:{running.ports['gateway']}"
    assert (found["state"], found["url"]) == ("ready", url)
    assert found["processes"].keys() == PROCESSES
    assert {each["state"] for each in found["processes"].values()} == {"running"}
    assert f"gateway  {url}\n" in said
    assert f"admin    {url}/admin/\n" in said
    for name in ("auth", "users"):
        port = running.ports[name]
        assert f"{url}/api/v1/{name}/docs, http://127.0.0.1:{port}\n" in said
        assert len(found["processes"][name]["pids"]) == 2
        assert running.service_at(name)


def test_nothing_of_ours_can_be_read_by_others(running: Checkout) -> None:
    """LOG-01: no secret in a log or on a command line; OPS-04: private files."""
    layout = running.layout
    for folder in (layout.base, layout.secrets, layout.sockets):
        assert folder.stat().st_mode & 0o777 == 0o700
    public = layout.keys / "public"
    secrets = [p for p in layout.secrets.rglob("*") if p.is_file()]
    secrets = [path for path in secrets if public not in path.parents]
    assert all(path.stat().st_mode & 0o77 == 0 for path in secrets)
    texts = [path.read_text(errors="replace") for path in layout.logs.iterdir()]
    for pid in running.family():
        with suppress(OSError):  # It has ended: a worker of PostgreSQL.
            texts.append(Path(f"/proc/{pid}/cmdline").read_text(errors="replace"))
    values = [path.read_text().strip() for path in secrets if path.stat().st_size < 99]
    assert len(values) > 12
    assert not [value for value in values for text in texts if value in text]


def test_the_servers_listen_on_the_loopback_or_not_at_all(running: Checkout) -> None:
    """PostgreSQL and Redis have no port; everything else is 127.0.0.1 or ::1."""
    files = set()
    for file in chain(*[glob(f"/proc/{pid}/fd/*") for pid in running.family()]):
        with suppress(OSError):  # Closed, or its process has ended.
            files.add(os.readlink(file))
    listening = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in files:
                address, port = local.split(":")
                listening[int(port, 16)] = address
    assert set(listening) == set(running.ports.values())
    loopbacks = {"0100007F", "00000000000000000000000001000000"}
    assert set(listening.values()) <= loopbacks


def test_roles_own_no_more_than_they_should(running: Checkout) -> None:
    roles = "select rolname, rolsuper, rolcreatedb from pg_roles"
    roles += " where rolname like 'auth%' order by 1"
    host = str(running.layout.sockets / "auth-db")
    with psycopg.connect(host=host, user="memo_admin", dbname="auth") as admin:
        assert admin.execute(roles).fetchall() == [
            ("auth_app", False, False),
            ("auth_owner", False, True),
        ]
        may_create = "select has_schema_privilege('auth_app', 'public', 'create')"
        assert admin.execute(may_create).fetchone() == (False,)
        for name, value in (("jit", "off"), ("log_min_error_statement", "panic")):
            assert admin.execute(f"show {name}").fetchone() == (value,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("set role auth_app; create temp table x ()")


def test_redis_keeps_services_to_their_keys(running: Checkout) -> None:
    clients = {}
    for user in ("auth", "users"):
        password = (running.layout.secrets / f"{user}_redis_password").read_text()
        path = str(running.layout.sockets / "redis.sock")
        clients[user] = Redis(unix_socket_path=path, username=user, password=password)
    auth, users = clients.values()
    assert auth.set("session:1", "active")
    assert users.get("session:1") == b"active"
    with pytest.raises(NoPermissionError):
        users.set("session:1", "x")
    assert users.set("users:1", "x")
    transaction = auth.pipeline(transaction=True)
    transaction.incr("auth:n")
    transaction.execute()
    auth.script_load("return 1")


def test_the_smoke_test_passes_and_shows_no_secret(running: Checkout) -> None:
    said = running.ok("demo")
    assert "Every answer was as expected." in said
    key = (running.layout.secrets / KEY.format("users", "auth")).read_text()
    assert key not in said
    assert not re.search(r"eyJ[\w-]+\.[\w-]+\.", said)
    assert said.count("# A mail comes") == 2
    assert not re.search(r"\?token=[\w-]|secret(=|\": \")\w", said)
    assert not re.search(r'^ *"\w{4}-\w{4}-', said, re.M)


def test_logs_show_what_each_process_says_and_follow_until_ctrl_c(
    running: Checkout,
) -> None:
    said = running.ok("logs", "auth")
    assert re.findall(r"==> .*/(\S+) <==", said) == ["auth-1.log", "auth-2.log"]
    assert "/auth-db.log <==" in running.ok("logs")
    process = running.start("logs", "gateway", "-f")
    assert process.stdout is not None
    running.service_at("auth")
    while "health/ready" not in process.stdout.readline():
        pass
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=10)[0]
    assert time.monotonic() - begun < 2 * slowness()
    assert "memo: interrupted\n" in said


# --- start, stop, restart -------------------------------------------------------------


def test_a_long_log_is_moved_aside_by_what_writes_next(running: Checkout) -> None:
    """As a log is that nothing would ever shorten. No line is lost."""
    log = running.layout.logs / "users-1.log"
    older = log.with_name("users-1.log.1")
    os.truncate(log, 11 * 2**20)
    [master, *_] = running.pids()["users"]
    worker = Path(f"/proc/{master}/task/{master}/children").read_text()
    os.kill(int(worker), signal.SIGTERM)
    assert wait_for(lambda: older.exists() and log.exists(), 10)
    said = lambda: older.read_text().rpartition("\0")[2] + log.read_text()  # noqa: E731
    assert wait_for(lambda: "Booting worker" in said(), 10)
    assert log.stat().st_mode & 0o777 == 0o600
    assert running.is_ready()


def test_a_stopped_program_stays_stopped_until_it_is_started(running: Checkout) -> None:
    before = running.pids()
    running.ok("stop", "redis", "users-worker")
    time.sleep(0.5)
    done = running.run("status")
    assert done.returncode == 4
    assert re.search(r"^degraded (.|\n)*^  redis +stopped ", done.stdout, re.M)
    running.ok("start", "redis")
    assert running.ok("up").startswith("memo: started users-worker\n")
    assert running.is_ready()
    assert running.pids()["auth"] == before["auth"]
    assert running.run("start", "unknown").returncode == USAGE


def test_restarting_a_service_leaves_the_others_and_loses_no_request(
    running: Checkout,
) -> None:
    before = running.pids()
    answers = []
    with running.edited("users_project/.env", "", "ARGON2_TIME_COTS=3\n"):
        process = running.start("restart", "users")
        while process.poll() is None:
            answers.append(running.service_at("users", at="users"))
            time.sleep(0.05)
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    assert "ARGON2_TIME_COTS has no effect; did you mean ARGON2_TIME_COST?" in printed
    assert all(answers)
    after = running.pids()
    assert not set(before["users"]) & set(after["users"])
    changed = {name for name in PROCESSES if before[name] != after[name]}
    assert changed == {"users", "users-worker"}  # which runs the same code


def test_a_gateway_that_is_restarted_reads_its_settings_and_loses_no_request(
    running: Checkout,
) -> None:
    before, answers = running.pids(), []
    [master] = before["gateway"]
    children = Path(f"/proc/{master}/task/{master}/children")
    workers = set(children.read_text().split())
    with running.edited(".env", "", "GATEWAY_ERROR_LOG_LEVEL=error\n"):
        process = running.start("restart", "gateway")
        while process.poll() is None:
            answers.append(running.service_at("users"))
            time.sleep(0.1)  # or the gateway's limit refuses us
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    assert all(answers)
    assert running.pids() == before
    config = running.layout.gateway / "conf" / "nginx.conf"
    assert "error_log stderr error;" in config.read_text()
    # Those that read it before end with what they have in hand.
    assert wait_for(lambda: not workers & set(children.read_text().split()), 30)


@pytest.mark.parametrize("first", [["status"], ["stop", "gateway"]], ids=" ".join)
def test_a_gateway_that_is_restarted_listens_elsewhere(
    running: Checkout, first: list[str]
) -> None:
    """Nginx that serves does not go from one of these addresses to the other."""
    before, other = running.pids(), f"127.0.0.2:{running.ports['gateway']}"
    for bind, is_everywhere in (("0.0.0.0", True), ("127.0.0.1", False)):
        running.ok(*first)
        with running.edited(".env", "GATEWAY_BIND=127.0.0.1", f"GATEWAY_BIND={bind}"):
            running.ok("restart", "gateway")
        assert processes.serves(other, "auth") is is_everywhere
    after = running.pids()
    assert {name for name in PROCESSES if before[name] != after[name]} == {"gateway"}


# --- Kills ----------------------------------------------------------------------------


def test_killed_processes_are_started_again(running: Checkout) -> None:
    """OPS-06. All of each program's at once, but for the supervisor."""
    before = running.pids()
    orphans.send([pid for pids in before.values() for pid in pids], signal.SIGKILL)

    def are_back() -> bool:
        now = running.pids()
        news = {name: set(now[name]) - set(before[name]) for name in before}
        return all(len(news[x]) == len(before[x]) for x in news) and running.is_ready()

    assert wait_for(are_back, 60)
