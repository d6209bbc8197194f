"""Checks and suites by their names: Python and pytest, with a stack's environment."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy import jobs
from deploy.local import application, server_binaries
from deploy.local import layout as layouts
from deploy.local.problems import Problem

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / ".run"
VERIFY = "MEMO_VERIFY"  # set: tests with the marker `verify` run too
SERVICES = {service.name: service for service in layouts.of("").services}
# The stack of the whole system, one with low limits, and one for the other suites:
# tests of the system stop servers under those that run meanwhile.
MAIN, LIMITS = os.environ.get("MEMO_STACK") or "test", "limits"
UNITS = os.environ.get("MEMO_UNITS") or "units"
NO_TEST = 5  # pytest's exit status


@dataclass(frozen=True)
class Python:
    """A module, or manage.py, with the settings of a service and in its folder."""

    words: tuple[str, ...]
    service: str = ""
    stack: str = UNITS
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, name: str, more: Sequence[str], log: Path | None) -> int:
        """The exit status, with more words for pytest and the mutations."""
        module, *words = self.words
        if module == "pytest":
            named = any("/" in word and not word.startswith("-") for word in more)
            words = ["-p", "no:cacheprovider", "--durations=50", *words * (not named)]
            words += [f"--basetemp={RUN / 'tmp' / name}"]
            words += [] if os.environ.get(VERIFY) else ["-m", "not verify"]
        if module in ("pytest", "deploy.mutations"):
            words += more
        command = [sys.executable, *["-m"] * (module != "manage.py"), module, *words]
        if module == "shellcheck":
            command = [str(Path(sys.executable).with_name(module)), *words]
        project = SERVICES[self.service].project if self.service else ROOT
        env = {**environment(self.stack, self.service), **self.env}
        if name == "system":
            given = os.environ.get("MEMO_CHROMIUM", "")
            env["MEMO_CHROMIUM"] = given if more else tool("CHROMIUM")
        status = jobs.call(command, env, log, self.cwd or project)
        # A suite may have no test that fuzzes.
        return 0 if status == NO_TEST and "FUZZ_EXAMPLES" in env else status


def environment(stack: str, service: str = "") -> dict[str, str]:
    """For a service as the owner of its tables, or for what belongs to no service."""
    layout = layouts.of(stack)
    known = next(x for x in layout.services if service in (x.name, ""))
    owner, cache = bool(service), RUN / "cache"  # The checkout may be read-only.
    found = application.environment(layout, known, owner=owner, caller=os.environ)
    if not service:
        found.pop("ENV_FILE", None)
    return {
        **found,
        "RUFF_CACHE_DIR": str(cache / "ruff"),
        "MYPY_CACHE_DIR": str(cache / "mypy"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(cache / "hypothesis"),
        "COVERAGE_FILE": str(cache / "coverage"),
        "PYTHONPATH": str(ROOT),
        "MEMO_STACK": stack,
    }


def manage(*words: str, **env: str) -> list[Python]:
    """A command of manage.py that has to succeed in every service."""
    return [Python(("manage.py", *words), service=name, env=env) for name in SERVICES]


def mypy(*words: str, service: str = "", **env: str) -> Python:
    config = f"{ROOT}/{'pyproject.toml' if env else 'deploy/mypy.ini'}"
    return Python(("mypy", "--config-file", config, *words), service, env=env)


OURS = ("--config", 'extend-exclude=[".run"]', ".")
SCRIPTS = [path for path in ROOT.rglob("[!.]*.sh") if RUN not in path.parents]
DJANGO = {"DJANGO_SETTINGS_MODULE": "config.settings", "MYPYPATH": ".."}
PRODUCTION = {
    "ENVIRONMENT": "production",
    "DEBUG": "false",
    "COOKIE_SECURE": "true",
    "JWT_ISSUER": "https://memo.example",
    "ALLOWED_HOSTS": "memo.example",
}
SYSTEM = ("system", "attack", "chaos", "timing", "browser", "compose")
SUITES = {
    "system": [
        Python(
            ("pytest", *(f"deploy/tests/{name}" for name in SYSTEM)),
            stack=MAIN,
            env={"MEMO_LIMITS_STACK": LIMITS},
        )
    ],
    "lint": [
        Python(("ruff", "check", *OURS)),
        Python(("ruff", "format", "--check", *OURS)),
    ],
    "shellcheck": [Python(("shellcheck", *map(str, SCRIPTS), ".ci/run"))],
    # Once for each service, as Django's plugin loads the settings of one.
    "types": [
        *(mypy(".", service=name, **DJANGO) for name in SERVICES),
        mypy("shared", DJANGO_SETTINGS_MODULE="shared.tests.settings"),
        mypy("-p", "deploy.local", "-p", "deploy.mutations"),
        mypy("-m", "deploy.__main__"),
        mypy("nginx/render.py"),
    ],
    "audit": [Python(("deploy", "audit"))],
    "deploycheck": manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION),
    "schema": manage(
        *("spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)
    ),
    "migrations": manage("makemigrations", "--check", "--dry-run"),
    "shared": [Python(("pytest", "shared/tests"), service="auth", cwd=ROOT)],
    **{name: [Python(("pytest",), service=name)] for name in SERVICES},
    # Ten mutations of the code, which their tests have to notice.
    "security": [Python(("deploy.mutations",))],
    "gateway": [Python(("pytest", "nginx/tests"))],
    "local": [Python(("pytest", "deploy/tests/local", "deploy/tests/runner"))],
}
# The longest begins. What shares a database is one job.
JOBS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("system",): (MAIN, LIMITS),
    **{(name,): () for name in ("lint", "shellcheck", "types", "audit")},
    **{(name,): () for name in ("deploycheck", "schema")},
    ("migrations", "shared", *SERVICES, "security"): (UNITS,),
    **{(name,): () for name in ("gateway", "local")},
}


def run(name: str, *words: str, log: Path | None = None) -> int:
    """A suite, on stacks that are up already. The first bad exit status ends it."""
    if log:
        log.unlink(missing_ok=True)
    statuses = (each.run(name, words, log) for each in SUITES[name])
    return next(filter(None, statuses), 0)


def tool(name: str) -> str:
    """A program that only suites need; empty, and said so, where there is none."""
    try:
        kind = getattr(server_binaries, name)
        return server_binaries.tool(layouts.of(MAIN), kind)
    except Problem as problem:
        print(f"memo: {problem}", flush=True)
        return ""
