"""Checks and suites by their names: the commands of suites.toml, with the environment
of a stack."""

import os
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from deploy import jobs
from deploy.local.servers import application, server_binaries
from deploy.local.setup import layout as layouts

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / ".run"
VERIFY = "MEMO_VERIFY"  # set: tests with the marker `verify` run too
TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
SERVICES = {service.name: service.project for service in layouts.of("").services}
# The stack of the suite `system`, and one for the other suites, which run at the same
# time: tests of `system` stop servers.
MAIN = os.environ.get("MEMO_STACK") or "test"
UNITS = os.environ.get("MEMO_UNITS") or "units"
# The longest job is first. Suites that share a database are one job, run in turn.
JOBS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("system",): (MAIN,),
    ("migrations", "shared", *SERVICES, "security"): (UNITS,),
    ("local",): (),
}
JOBS |= {(name,): () for name in TABLE if not any(name in job for job in JOBS)}


def commands(name: str) -> Iterator[tuple[str, str, Path]]:
    """The commands of a suite: line, service whose settings it needs, and folder."""
    if name in SERVICES:
        yield "pytest", name, SERVICES[name]  # its pytest.ini says where tests are
        return
    for words in TABLE[name].get("each", []):
        yield from ((words, service, folder) for service, folder in SERVICES.items())
    for words in TABLE[name].get("run", []):
        yield words, TABLE[name].get("settings", ""), ROOT


def run(name: str, *more: str) -> int:
    """Run a suite on stacks that are up already; `more` is for pytest and mutations.
    The first exit status that is not 0 ends it."""
    layout = layouts.of(UNITS)
    # This suite needs no stack that is up, so Nginx may be missing.
    if name == "gateway" and not (layout.servers / "nginx").exists():
        server_binaries.tool(layout, server_binaries.NGINX)
    for line, service, folder in commands(name):
        program, *words = shlex.split(line)
        env = environment(MAIN if name == "system" else UNITS, service)
        if program == "pytest":
            if any("/" in word for word in more if not word.startswith("-")):
                words = []
            words += ["--durations=50", f"--basetemp={RUN / 'tmp' / name}"]
            words += [] if os.environ.get(VERIFY) else ["-m", "not verify"]
        if program == "pytest" or name == "security":
            words += more
        if status := jobs.call([program, *words], env, cwd=folder):
            return status
    return 0


def environment(stack: str, service: str) -> dict[str, str]:
    """The environment of a service as the owner of its tables, or of none (empty)."""
    layout, owner = layouts.of(stack), bool(service)
    known = next(x for x in layout.services if service in (x.name, ""))
    found = application.environment(layout, known, owner=owner, caller=os.environ)
    if not service:
        found.pop("ENV_FILE", None)
    cache, programs = RUN / "cache", Path(sys.executable).parent
    return {
        **found,
        "PATH": f"{programs}:{found['PATH']}",
        "PYTHONPATH": str(ROOT),
        "MEMO_STACK": stack,
        # The checkout may be read-only.
        "RUFF_CACHE_DIR": str(cache / "ruff"),
        # One cache for each service: mypy drops results of other settings.
        "MYPY_CACHE_DIR": str(cache / f"mypy-{service}"),
        "COVERAGE_FILE": str(cache / "coverage"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(cache / "hypothesis"),
    }
