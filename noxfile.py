"""Checks, suites and proofs, each a session: `./manage_all.sh test` runs the suites.

A suite that is run alone (`nox -s auth`) uses the stacks that are up.
"""

import os
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import nox

from deploy import jobs, proofs
from deploy.suites import LIMITS, MAIN, ROOT, RUN, SERVICES, UNITS, pytest, python, tool

nox.options.default_venv_backend = "none"
nox.options.sessions = ["test"]
os.umask(0o022)  # Suites find what a user's shell has, not the private umask of `up`.

STATIC = ("lint", "shellcheck", "types", "audit", "deploycheck", "schema")
SYSTEM = ("system", "attack", "chaos", "timing", "browser", "compose")
for each in ("GATEWAY", *map(str.upper, SERVICES)):  # meant for the stack of `up`
    os.environ.pop(f"{each}_PORT", None)
jobs.handle_interruptions()

# The longest begins. What shares a database is one job.
JOBS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("system",): (MAIN, LIMITS),
    **{(name,): () for name in STATIC},
    ("migrations", "shared", *SERVICES, "security"): (UNITS,),
    **{(name,): () for name in ("gateway", "local")},
}
PRODUCTION = {
    "ENVIRONMENT": "production",
    "DEBUG": "false",
    "COOKIE_SECURE": "true",
    "JWT_ISSUER": "https://memo.example",
    "ALLOWED_HOSTS": "memo.example",
}


# ---- Checks --------------------------------------------------------------------------


@nox.session
def lint(session: nox.Session) -> None:
    ours = ("--config", 'extend-exclude=[".run"]', ".")
    python(session, "ruff", "check", *ours)
    python(session, "ruff", "format", "--check", *ours)


@nox.session
def shellcheck(session: nox.Session) -> None:
    scripts = [path for path in ROOT.rglob("[!.]*.sh") if RUN not in path.parents]
    program = str(Path(sys.executable).with_name("shellcheck"))
    session.run(program, *map(str, scripts), str(ROOT / ".ci" / "run"))


@nox.session
def types(session: nox.Session) -> None:
    """Once for each service, as Django's plugin loads the settings of one."""
    django = {"DJANGO_SETTINGS_MODULE": "config.settings", "MYPYPATH": ".."}
    words = ("mypy", "--config-file", "../pyproject.toml", ".")
    for name in SERVICES:
        python(session, *words, service=name, env=django)
    django = {"DJANGO_SETTINGS_MODULE": "shared.tests.settings"}
    python(session, "mypy", "shared", env=django)
    plain = ("mypy", "--config-file", str(ROOT / "deploy" / "mypy.ini"))
    python(session, *plain, "-p", "deploy.local", "-p", "deploy.mutations")
    python(session, *plain, "noxfile.py")
    python(session, *plain, "render.py", cwd=ROOT / "nginx")


def add_check(name: str, *words: str, **env: str) -> None:
    """A command of manage.py that has to succeed in every service."""

    @nox.session(name=name)
    def check(session: nox.Session) -> None:
        for service in SERVICES:
            python(session, "manage.py", *words, service=service, env=env)


add_check("deploycheck", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
add_check("schema", "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)
add_check("migrations", "makemigrations", "--check", "--dry-run")


# ---- Suites --------------------------------------------------------------------------


def add_suite(name: str, *tests: str, **where: Any) -> None:
    @nox.session(name=name)
    def suite(session: nox.Session) -> None:
        pytest(session, *tests, **where)


add_suite("shared", "shared/tests", service="auth", cwd=ROOT)
add_suite("gateway", "nginx/tests")
add_suite("local", "deploy/tests/local", "deploy/tests/runner")
for each in SERVICES:
    add_suite(each, service=each)


@nox.session
def system(session: nox.Session) -> None:
    tests = [f"deploy/tests/{name}" for name in SYSTEM]
    named = os.environ.get("MEMO_CHROMIUM", "")
    chromium = named if session.posargs else tool("CHROMIUM")
    env = {"MEMO_LIMITS_STACK": LIMITS, "MEMO_CHROMIUM": chromium}
    pytest(session, *tests, stack=MAIN, env=env)


@nox.session
def security(session: nox.Session) -> None:
    """Ten mutations of the code, which their tests have to notice."""
    python(session, "deploy.mutations", *session.posargs)


# ---- All of them ---------------------------------------------------------------------


@nox.session
def test(session: nox.Session) -> None:
    """Every check and suite, or those that are named; then pytest's words for them."""
    known = [name for job in JOBS for name in job]
    names = [*takewhile(known.__contains__, session.posargs)]
    words = session.posargs[len(names) :]
    if words and (not names or words[0].isalnum()):
        print(f"memo: no suite {words[0]}; there are: {', '.join(known)}")
        sys.exit(2)
    sys.exit(jobs.report(jobs.run(JOBS, names or known, *words)))


@nox.session
def verify(session: nox.Session) -> None:
    """Every suite with the tests that take long, then every proof by itself."""
    os.environ[jobs.VERIFY] = "1"
    suites = [name for job in JOBS for name in job if name != "security"]
    results = jobs.run(JOBS, suites)
    results += [jobs.run_suite(name, *words) for name, words in proofs.ALL.items()]
    sys.exit(jobs.report(results))
