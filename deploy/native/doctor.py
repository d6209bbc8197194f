"""`doctor`: what would be used here, and what is wrong. It changes nothing."""

import os
import platform
import pwd
import sys

from . import (
    addresses,
    application,
    apt,
    configure,
    engines,
    ports,
    running,
    virtualenv,
)
from .layout import Layout
from .problems import MISSING, Problem
from .programs import run
from .services import Service, discover


def show(layout: Layout) -> int:
    """Print one line per fact; exit status 0 when `up` should succeed."""
    services = discover(layout.root)
    lines = [
        _user(),
        ("ok", f"Python {platform.python_version()} ({sys.executable})"),
        *_engines(layout),
        _environment(layout),
        *_ports(layout, services),
        *_settings(layout, services),
    ]
    for verdict, text in lines:
        print(f"  {verdict:<5} {text}")
    return MISSING if any(verdict == "WRONG" for verdict, _text in lines) else 0


Line = tuple[str, str]


def _user() -> Line:
    try:
        return "ok", f"everything runs as {pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return "WRONG", f"user id {os.getuid()} has no name, which PostgreSQL needs"


def _engines(layout: Layout) -> list[Line]:
    lines = []
    for name, engine in engines.look(layout).items():
        if engine:
            lines.append(("ok", str(engine)))
        elif apt.usable():
            lines.append(("note", f"{name}: `up` will unpack the system's package"))
        else:
            lines.append(("WRONG", f"{name}: not found, and this is not Debian's apt"))
    return lines


def _environment(layout: Layout) -> Line:
    if virtualenv.fits(layout):
        return "ok", "Python packages are installed"
    return "note", "Python packages: `up` will install them"


def _ports(layout: Layout, services: list[Service]) -> list[Line]:
    written = addresses.written(layout, services)
    if running.is_running(layout):
        return [("ok", f"the stack runs, at {configure.public_url(layout)}")]
    if written is None:
        return [("note", "ports: the next `up` will choose those that are missing")]
    everyone = {**written.services, "gateway": written.gateway}
    return [
        ("ok", f"port {port} ({name}) is free")
        if ports.is_free(port)
        else ("WRONG", f"port {port} ({name}) is used by another program")
        for name, port in everyone.items()
    ]


def _settings(layout: Layout, services: list[Service]) -> list[Line]:
    """Each service's own checks: they know its settings best."""
    if not virtualenv.fits(layout):
        return []
    lines = []
    for service in services:
        if not service.env_file(layout).exists():
            lines.append(
                ("note", f"{service.name}: `init` or `up` writes its settings")
            )
            continue
        try:
            run(
                [layout.python, "manage.py", "check"],
                env=application.env(layout, service),
                cwd=service.project,
                what=f"{service.name}: manage.py check",
            )
            lines.append(("ok", f"{service.name}: manage.py check"))
        except Problem as problem:
            short = application.shortly(service, problem, "")
            lines.append(("WRONG", str(short)))
    return lines
