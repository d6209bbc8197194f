"""A stack to which a service is added, which loses its power, and loses the service."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from deploy import suites
from deploy.local.servers import application

from .checkout import SAYS_SO, WITHOUT_EFFECT, Checkout

USER = {"username": "ada", "email": "ada@example.com", "password": "x7-Rz.q2!"}
LOGIN = {name: USER[name] for name in ("username", "password")}


@pytest.fixture(scope="module")
def url(installed: Checkout) -> str:
    installed.ok("up")
    return f"http://127.0.0.1:{installed.ports['gateway']}/api/v1"


@pytest.fixture(scope="module")
def ada(url: str) -> Iterator[requests.Session]:
    """A user from before the service."""
    with requests.Session() as session:
        session.trust_env = False
        assert session.post(f"{url}/users/", json=USER, timeout=20).status_code == 201
        yield session


@pytest.fixture(scope="module")
def said(installed: Checkout, ada: requests.Session) -> str:
    """By `up`, with the service and with other settings of an old one."""
    before = installed.pids()
    with (installed.path / "auth_project" / ".env").open("a") as file:
        file.write(f"JWT_LEEWAY=11\n{WITHOUT_EFFECT}")
    installed.ok("startservice", "notes")
    printed = installed.ok("up")
    after = installed.pids()
    assert not [name for name in before if set(before[name]) & set(after[name])]
    assert after.keys() - before.keys() == {"notes-db", "notes"}
    return printed


def test_up_starts_what_is_new_or_changed(
    said: str, ada: requests.Session, url: str
) -> None:
    assert SAYS_SO in said
    assert "/api/v1/notes/docs" in said
    assert ada.get(f"{url}/notes", timeout=20).json()["code"] == "token_missing"
    answer = ada.post(f"{url}/auth/login", json=LOGIN, timeout=20)
    ada.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    note = {"text": "remember"}
    assert ada.post(f"{url}/notes", json=note, timeout=20).status_code == 201
    [entry] = ada.get(f"{url}/notes", timeout=20).json()["results"]
    assert entry["text"] == "remember"


@pytest.mark.usefixtures("said")
def test_a_new_service_has_commands_and_tests_that_pass(
    installed: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own, by the words of `test notes`, and those of what it is added to: the
    gateway, and compose.yaml, which holds its containers to the rules of the others."""
    installed.ok("notes", "makemigrations", "--check", "--dry-run")
    made = installed.ok("notes", "createsuperuser", "--noinput")
    assert "Users live in the User Service" in made
    [notes] = [x for x in installed.layout.services if x.name == "notes"]
    env = application.environment(installed.layout, notes, owner=True)
    env["PYTHONPATH"] = str(installed.path)
    monkeypatch.setitem(suites.SERVICES, "notes", notes.project)
    [(line, _, folder)] = suites.commands("notes")
    passes(line, folder, env)
    line = "pytest -v -c deploy/pytest.ini -k 'not wrong' nginx/tests/test_render.py"
    printed = passes(f"{line} deploy/tests/compose", installed.path, env)
    for case in ("[notes]", "[notes-migrate]", "[notes-db]"):
        assert case in printed


def passes(line: str, cwd: Path, env: dict[str, str]) -> str:
    """What pytest printed."""
    words = [sys.executable, "-m", *shlex.split(line), "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.usefixtures("said")
def test_init_makes_what_compose_needs(installed: Checkout) -> None:
    """deploy/tests/compose has the rest, without a run."""
    installed.ok("init")
    env = (installed.path / ".env").read_text()
    names = {line.partition("=")[0] for line in env.splitlines()}
    assert {"MEMO_UID", "MEMO_GID", "GATEWAY_PUBLIC_URL", "GATEWAY_PORT"} <= names
    assert "COMPOSE_FILE=compose.yaml:notes_project/compose.yaml\n" in env
    text = (installed.path / "compose.yaml").read_text()
    text += (installed.path / "notes_project" / "compose.yaml").read_text()
    secrets = re.findall(r"\{file: (\./\.secrets/\S+)\}", text)
    assert len(secrets) > 20
    for path in [*secrets, ".run/compose/gateway/nginx.conf"]:
        assert (installed.path / path).is_file(), path


@pytest.mark.usefixtures("said")
def test_data_outlives_a_power_cut_a_killed_up_and_a_service_that_goes(
    installed: Checkout, ada: requests.Session, url: str
) -> None:
    """After all that, two at once make one stack: the second waits for the first."""
    installed.kill_all()
    # After a restart of the machine, the pid in the file belongs to another program.
    for file in installed.layout.postgres.glob("*/*/data/postmaster.pid"):
        lines = file.read_text().splitlines()
        file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    # As docs/integration.md says.
    shutil.rmtree(installed.path / "notes_project")
    (installed.path / "nginx" / "services" / "notes.conf").unlink()
    process = installed.up_to("roles")
    process.kill()
    process.communicate()
    both = [installed.start("up") for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted("already up" in output for output in outputs) == [False, True]
    assert "COMPOSE_FILE=" not in (installed.path / ".env").read_text()
    assert ada.post(f"{url}/auth/login", json=LOGIN, timeout=20).ok
    assert ada.get(f"{url}/notes", timeout=20).json()["code"] == "not_found"


def test_down_stops_all_in_order_and_leaves_no_process(running: Checkout) -> None:
    """Not even one that a crash has left."""
    folder, log = running.layout.work / "users", running.layout.logs / "supervisor.log"
    before = len(log.read_text())
    with subprocess.Popen(["sleep", "600"], cwd=folder, start_new_session=True) as left:
        running.ok("down")
    assert left.returncode == -signal.SIGTERM
    assert running.family() == []
    said = log.read_text()[before:]
    assert "received SIGTERM" not in said
    order = re.findall(r"stopped: (gateway|auth-1|auth-db) ", said)
    assert order == ["gateway", "auth-1", "auth-db"]
    sockets = [p for p in running.layout.sockets.rglob("*") if p.is_socket()]
    # That of the service that is gone is from before the power cut.
    assert [path.parent.name for path in sockets] in ([], ["notes-db"])
    assert "nothing was running" in running.ok("down")
