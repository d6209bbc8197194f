"""What only root can try: becoming another user, closed checkouts, low ports.

Not part of `./manage_all.sh test`, which is nobody's root. By hand, as root:
`.run/venv/bin/python -m pytest deploy/native/tests`.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.native import strays
from deploy.native.problems import MISSING
from deploy.native.relocation import copy_of

from .checkout import Checkout

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module", params=[0o755, 0o700], ids=["open", "closed"])
def checkout(request: pytest.FixtureRequest) -> Iterator[Checkout]:
    """A checkout of root's: in a folder that others may enter, and in one they
    may not."""
    folder = Path(tempfile.mkdtemp(prefix="memo-"))
    folder.chmod(request.param)
    checkout = Checkout.copy_to(folder / "memo")
    os.umask(0o022)
    for path in [checkout.path, *checkout.path.rglob("*")]:
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    yield checkout
    checkout.run("destroy", "--yes")
    shutil.rmtree(folder)


def processes(checkout: Checkout) -> dict[str, int]:
    """Pids of a ready stack, as the command reports them: PostgreSQL would not let
    root look for itself."""
    done = subprocess.run(
        checkout.command("status", "--json"),
        env=checkout.env(),
        stdout=subprocess.PIPE,
        check=True,  # which also says that it is ready
    )
    found = json.loads(done.stdout)["processes"]
    return {name: process["pid"] for name, process in found.items()}


def test_root_runs_nothing(checkout: Checkout) -> None:
    done = checkout.run("up")
    assert done.returncode == 0, done.stdout
    for pid in processes(checkout).values():
        assert Path(f"/proc/{pid}").stat().st_uid != 0
    code = checkout.path / "shared" / "settings.py"
    assert code.stat().st_uid == 0


def test_a_closed_checkout_gets_its_settings_and_secrets(checkout: Checkout) -> None:
    """Compose is started in the checkout, wherever the native stack lives."""
    assert checkout.run("init").returncode == 0
    for name in (".env", "auth_project/.env", ".secrets/auth_secret_key"):
        assert (checkout.path / name).stat().st_size > 0
    assert list((checkout.path / ".secrets/keys/private").glob("*.pem"))


def test_a_service_comes(checkout: Checkout) -> None:
    """Its code is root's, as all code there; what is private stays the user's."""

    def run(*words: str) -> dict[str, bytes]:
        done = checkout.run(*words)
        assert done.returncode == 0, done.stdout
        files = [*checkout.path.glob(".secrets/*"), *checkout.path.glob("*/.env*")]
        files.append(checkout.path / ".env")
        return {str(path): path.read_bytes() for path in files if path.is_file()}

    before = run("init")
    run("startservice", "notes")
    code = checkout.path / "notes_project" / "manage.py"
    assert (code.stat().st_uid, code.stat().st_mode & 0o777) == (0, 0o755)
    assert set(run("init")) - set(before) >= {
        str(checkout.path / "notes_project" / ".env"),
        str(checkout.path / ".secrets" / "notes_secret_key"),
    }
    shutil.rmtree(checkout.path / "notes_project")
    (checkout.path / "nginx" / "services" / "notes.conf").unlink()


def test_the_gateway_listens_on_a_low_port(checkout: Checkout) -> None:
    done = checkout.run("up", GATEWAY_PORT="81")
    assert done.returncode == 0, done.stdout
    assert "http://localhost:81\n" in done.stdout
    for name, pid in processes(checkout).items():
        status = Path(f"/proc/{pid}/status").read_text()
        effective = next(
            line.split()[1] for line in status.splitlines() if "CapEff" in line
        )
        assert int(effective, 16) == (1 << 10 if name == "gateway" else 0)


def test_somebody_else_is_told_whose_checkout_it_is(checkout: Checkout) -> None:
    if not checkout.path.parent.stat().st_mode & 0o5:
        pytest.skip("nobody else can even enter it")
    assert checkout.run("init").returncode == 0
    for words in (["up"], ["status"], ["logs"], ["destroy", "--yes"]):
        done = subprocess.run(
            checkout.command(*words),
            env=checkout.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user="nobody",
            check=False,
        )
        assert done.returncode == MISSING
        assert "run by the user" in done.stdout
        assert len(done.stdout.splitlines()) == 3


def test_destroy_takes_the_copy_along(checkout: Checkout) -> None:
    assert checkout.run("destroy", "--yes").returncode == 0
    assert not copy_of(checkout.path).exists()
    for name in (".run", ".secrets"):
        assert not (checkout.path / name).exists()
    assert checkout.family() == []
    assert not [
        found.pid
        for found in strays.processes()
        if found.cwd.startswith(str(copy_of(checkout.path)))
    ]
