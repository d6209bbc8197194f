"""Commands of manage.py on a real stack, and the end of a stack."""

import os
import signal
from collections.abc import Callable

from deploy.local.problems import USAGE
from deploy.local.servers import orphans
from deploy.local.setup.files import read_env

from .checkout import SAYS_SO, WITHOUT_EFFECT, Checkout, wait_for


def test_a_command_runs_in_one_service_or_in_all_that_know_it(
    running: Checkout,
) -> None:
    with running.edited("auth_project/.env", "", WITHOUT_EFFECT):
        said = running.ok("check")
    assert said.count("System check identified no issues") == 2
    assert SAYS_SO in said
    with running.edited(".env", "", "GATEWAY_API_RATE=quick\n"):
        done = running.run("check")
    assert done.returncode == 1
    assert "gateway: GATEWAY_API_RATE: 'quick' is not a rate" in done.stdout
    assert "== users" in running.ok("createsuperuser", "--help")
    done = running.run("no_such_command")
    assert done.returncode == USAGE
    assert "no_such_command" in done.stdout
    assert running.run("users", "shell", "-c", "raise SystemExit(7)").returncode == 7


def test_runserver_stands_in_for_the_service_and_gives_its_place_back(
    running: Checkout,
) -> None:
    """It works where `down` looks for what is to end."""

    def stands_in() -> bool:
        stopped = not running.pids()["users"]
        return stopped and running.service_at("users", at="users")

    process = running.start("users", "runserver")
    assert wait_for(stands_in, 60)
    assert orphans.processes_in(running.layout.work / "users")
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert wait_for(running.is_ready, 60)


def test_init_keeps_a_port_that_runs_and_destroy_tells_and_removes_everything(
    make_checkout: Callable[[str], Checkout], listener: Callable[..., int]
) -> None:
    checkout = make_checkout("doomed")
    checkout.ok("init")
    # As a gateway in a container does, next to which settings change.
    before = read_env(checkout.layout.gateway_env)
    listener(port=int(before["GATEWAY_PORT"]))
    assert "in use" not in checkout.ok("init")
    assert read_env(checkout.layout.gateway_env) == before
    done = checkout.run("destroy")
    assert done.returncode == 1
    assert f"  {checkout.layout.secrets}\n" in done.stdout
    assert "destroy --yes" in done.stdout
    assert checkout.layout.secrets.exists()
    said = checkout.ok("destroy", "--yes")
    assert f"except the .env files and {checkout.layout.backups}" in said
    assert not checkout.layout.base.exists()
    assert not checkout.layout.secrets.exists()
    assert (checkout.path / ".env").exists()
