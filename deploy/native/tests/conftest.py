"""Fixtures: small pretended checkouts, and scratch copies of the real one."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.native.layout import Layout, all_stacks
from deploy.native.services import Service, discover

from .checkout import Checkout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with two services and nothing in them."""
    for name in ("auth", "users"):
        (tmp_path / f"{name}_project").mkdir()
        (tmp_path / f"{name}_project" / "manage.py").touch()
    return tmp_path


@pytest.fixture
def layout(root: Path) -> Iterator[Layout]:
    layout = Layout(root)
    layout.make_folders()
    yield layout
    for each in all_stacks(root):  # Long paths have their sockets in /tmp.
        shutil.rmtree(each.sockets, ignore_errors=True)


@pytest.fixture
def services(root: Path) -> list[Service]:
    return discover(root)


@pytest.fixture
def listener() -> Iterator[Callable[[str], int]]:
    """Listen on a free port of an address, as another program would."""
    sockets = []

    def listen(host: str) -> int:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, 0), family=family)
        sockets.append(sock)
        return int(sock.getsockname()[1])

    yield listen
    for sock in sockets:
        sock.close()


@pytest.fixture(scope="session")
def make_checkout(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Checkout]]:
    """Scratch copies of this checkout; whatever they started is stopped at the end."""
    made: list[Checkout] = []

    def make(name: str) -> Checkout:
        made.append(Checkout.copy_to(tmp_path_factory.mktemp(name) / name))
        return made[-1]

    yield make
    for checkout in made:
        checkout.run("destroy", "--yes")
        shutil.rmtree(checkout.path, ignore_errors=True)


@pytest.fixture(scope="session")
def installed(make_checkout: Callable[[str], Checkout]) -> Checkout:
    """The checkout that most trials share: `up` has been run once in it."""
    checkout = make_checkout("first")
    done = checkout.run("up")
    assert done.returncode == 0, done.stdout
    return checkout


@pytest.fixture
def running(installed: Checkout) -> Checkout:
    """The shared checkout with its stack up and ready."""
    done = installed.run("up")
    assert done.returncode == 0, done.stdout
    return installed


@pytest.fixture
def stopped(installed: Checkout) -> Checkout:
    assert installed.run("down").returncode == 0
    return installed


# As root, only what needs root; the rest runs as the user that root becomes.
collect_ignore = ["test_as_root.py"]
if os.geteuid() == 0:
    collect_ignore = ["test_real.py", "test_real_service.py"]
