"""Fixtures: small pretended checkouts, and scratch copies of the real one."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.setup.layout import Layout
from deploy.local.setup.ports import Ports

from .checkout import Checkout, FirstUps


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A checkout with two services and nothing in them."""
    for name in ("auth", "users"):
        (tmp_path / f"{name}_project").mkdir()
        (tmp_path / f"{name}_project" / "manage.py").touch()
    layout = Layout(tmp_path)
    layout.make_folders()
    yield layout
    shutil.rmtree(layout.sockets, ignore_errors=True)  # may be in /tmp


@pytest.fixture
def ports(layout: Layout) -> Iterator[Ports]:
    found = Ports(layout, running=False)
    yield found
    found.release()


@pytest.fixture
def listener() -> Iterator[Callable[..., int]]:
    """Listen on a port of an address, as another program would."""
    sockets = []

    def listen(host: str = "127.0.0.1", port: int = 0) -> int:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sockets.append(socket.create_server((host, port), family=family))
        return int(sockets[-1].getsockname()[1])

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
    for process in [checkout.start("destroy", "--yes") for checkout in made]:
        process.communicate(timeout=300)
    for checkout in made:
        checkout.kill_all()
        shutil.rmtree(checkout.path, ignore_errors=True)


@pytest.fixture(scope="session")
def bare(make_checkout: Callable[[str], Checkout]) -> Checkout:
    """A checkout in which nothing was ever started."""
    return make_checkout("bare")


@pytest.fixture(scope="session")
def first_ups(make_checkout: Callable[[str], Checkout]) -> FirstUps:
    """The first `up` of two checkouts, at the same moment: both choose their ports."""
    checkouts = [make_checkout(name) for name in ("first", "second")]
    ups = [checkout.start("up") for checkout in checkouts]
    said = [process.communicate(timeout=300)[0] for process in ups]
    return [*zip(checkouts, [x.returncode for x in ups], said, strict=True)]


@pytest.fixture(scope="session")
def installed(first_ups: FirstUps) -> Checkout:
    """The checkout that most trials share: `up` has been run once in it."""
    checkout, status, _ = first_ups[0]
    if status:  # Another program took a port, as may happen to everybody.
        checkout.ok("up")
    return checkout


@pytest.fixture
def running(installed: Checkout) -> Checkout:
    """The shared checkout, up and ready."""
    if not installed.is_ready():
        installed.ok("up")
    return installed


@pytest.fixture
def stopped(first_ups: FirstUps) -> Checkout:
    """The other one, in which nothing runs."""
    checkout = first_ups[1][0]
    if checkout.family():
        checkout.ok("down")
    return checkout


# As root, only what needs root; all others need the user that root becomes.
if os.geteuid() == 0:
    collect_ignore_glob = ["test_real_*.py"]
else:
    collect_ignore = ["test_as_root.py"]
