"""What the services find themselves: `manage.py doctor` in each, at the same time."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from . import application, virtualenv
from .envfiles import read
from .findings import NOTE, WRONG, Finding
from .layout import Layout
from .problems import Problem, ProgramFailed
from .programs import Command, run
from .services import Service


def examine(
    layout: Layout, services: Sequence[Service], *, runs: bool
) -> list[Finding]:
    """Each service's own findings; of one that does not run, its system checks."""
    if not virtualenv.fits(layout):
        return []
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda service: _ask(layout, service, runs), services)
        return [finding for found in answers for finding in found]


def _ask(layout: Layout, service: Service, runs: bool) -> list[Finding]:
    if not read(service.env_file(layout)):
        text = "`init` or `up` writes its settings"
        return [Finding(service.name, "settings", NOTE, text)]
    password = layout.secrets / "redis_admin_password"
    options = ["--redis-admin-password-file", password] if runs else ["--checks"]
    command: Command = [layout.python, "manage.py", "doctor", "--json", *options]
    try:
        output = run(
            command,
            env=application.env(layout, service),
            cwd=service.project,
            what=f"{service.name}: manage.py doctor",
        )
    except ProgramFailed as failed:
        output = failed.output  # Exit status 3 comes with a report.
        if not _report(output):
            short = application.shortly(service, failed, "")
            text = str(short).removeprefix(f"{service.name}: ")
            return [
                Finding(service.name, "settings", WRONG, text, _see(layout, service))
            ]
    except Problem as problem:
        return [Finding(service.name, "settings", WRONG, str(problem))]
    return [Finding(service.name, **each) for each in json.loads(_report(output))]


def _see(layout: Layout, service: Service) -> str:
    return f"{service.env_file(layout)}; docs/operations/checks.md"


def _report(output: str) -> str:
    """The line of the report; others are log lines, which are no lists."""
    lines = [line for line in output.splitlines() if line.startswith('[{"id"')]
    return lines[-1] if lines else ""
