"""What has to be there before anything can be started, and stays afterwards."""

from collections.abc import Sequence

from . import application, configure, secretfiles, virtualenv
from .addresses import Addresses
from .files import locked
from .layout import Layout, all_stacks
from .problems import Problem
from .running import is_running
from .services import Service

INSTALLING = "memo: another stack of this checkout is installing; waiting for it ..."


def write_settings(
    layout: Layout, services: Sequence[Service], chosen: Addresses
) -> None:
    secretfiles.ensure(layout, services)
    if configure.ensure(layout, services, chosen):
        print("  new settings, for development over plain http: see the .env files")


def install_environment(layout: Layout, requirements: str) -> None:
    """The virtual environment and the keys, which are made by code in it."""
    with locked(layout.base / "install.lock", INSTALLING):
        if virtualenv.must_be_made_anew(layout):
            _refuse_under_a_running_stack(layout)
        virtualenv.ensure(layout, requirements)
    application.make_keys(layout)


def _refuse_under_a_running_stack(layout: Layout) -> None:
    for other in all_stacks(layout.root):
        if is_running(other):
            raise Problem(
                "The Python environment has to be made anew, and a stack runs on it.",
                hint=f"Stop that first: {other.command} down",
            )
