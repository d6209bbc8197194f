"""What a session of noxfile.py runs: Python and pytest, with a stack's environment."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nox

from deploy import jobs

# The one place that knows what runs the stacks.
from deploy.local import application, server_binaries
from deploy.local import layout as layouts
from deploy.local.problems import Problem

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / ".run"
SERVICES = {service.name: service for service in layouts.of("").services}
FIRST = next(iter(SERVICES))
# The stack of the whole system, one with low limits, and one for the other suites:
# tests of the system stop servers under those that run meanwhile.
MAIN, LIMITS = os.environ.get("MEMO_STACK") or "test", "limits"
UNITS = jobs.UNITS


def environment(stack: str, service: str = "") -> dict[str, str]:
    """For a service as the owner of its tables, or for what belongs to no service."""
    layout = layouts.of(stack)
    name = service or FIRST
    known = next(each for each in layout.services if each.name == name)
    owner = bool(service)
    found = application.environment(layout, known, owner=owner, caller=os.environ)
    if not service:
        found.pop("ENV_FILE", None)
    cache = RUN / "cache"  # The checkout may be read-only.
    return {
        **found,
        "RUFF_CACHE_DIR": str(cache / "ruff"),
        "MYPY_CACHE_DIR": str(cache / "mypy"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(cache / "hypothesis"),
        "COVERAGE_FILE": str(cache / "coverage"),
        "PYTHONPATH": str(ROOT),
        "MEMO_STACK": stack,
    }


def python(
    session: nox.Session,
    *words: str,
    service: str = "",
    stack: str = UNITS,
    cwd: Path | None = None,
    env: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """A module, or manage.py, with the settings of a service and in its folder."""
    module = [] if words[0] == "manage.py" else ["-m"]
    project = SERVICES[service].project if service else ROOT
    found = {**environment(stack, service), **env}
    with session.chdir(cwd or project):
        session.run(
            *(sys.executable, *module, *words),
            env=found,
            include_outer_env=False,
            success_codes=jobs.GOOD,
            interrupt_timeout=60,
        )


def pytest(session: nox.Session, *tests: str, **where: Any) -> None:
    """The tests, or those whose paths are named; those marked `verify` if asked for."""
    scratch = RUN / "tmp" / f"pytest-{session.name}"
    scratch.parent.mkdir(exist_ok=True)
    options = ["-p", "no:cacheprovider", f"--basetemp={scratch}", "--durations=50"]
    if not os.environ.get(jobs.VERIFY):
        options += ["-m", "not verify"]
    words = session.posargs
    if not any("/" in word and not word.startswith("-") for word in words):
        words = [*tests, *words]
    python(session, "pytest", *options, *words, **where)


def tool(name: str) -> str:
    """A program that only suites need; empty, and said so, where there is none."""
    try:
        kind = getattr(server_binaries, name)
        return server_binaries.tool(layouts.of(MAIN), kind)
    except Problem as problem:
        print(f"memo: {problem}", flush=True)
        return ""
