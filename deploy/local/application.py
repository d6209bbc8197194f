"""The services: the environment of their processes, gunicorn, and manage.py."""

import re
import shutil
from collections.abc import Mapping

from .files import read_env
from .layout import Layout, Service
from .problems import Problem, ProgramFailed
from .programs import PROCESSES, Job, Program, run

KEYS = "shared.keys.signing_keys"
# What gunicorn.conf.py reads from its environment; the service reads its `.env` itself.
SERVER_VARIABLES = ("WEB_THREADS", "FORWARDED_ALLOW_IPS")
# A shell's variables reach a service's commands, but not those that bend Python.
UNWANTED = re.compile(r"PYTHON.*|DJANGO_SETTINGS_MODULE|VIRTUAL_ENV|MEMO_.*")
# An exception of this kind is written for users.
IMPROPER = re.compile(r"^(?:django\..*\.)?ImproperlyConfigured: (.+)$", re.MULTILINE)
# One start of Django for both. Static files of all services are in one folder, and some
# are the same files.
PREPARE = """
import fcntl, os, sys
import django
from django.core.management import call_command
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()
call_command("migrate", interactive=False, verbosity=0, skip_checks=False)
with open(sys.argv[1], "a") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    call_command("collectstatic", interactive=False, verbosity=0)
"""


def environment(
    layout: Layout,
    service: Service,
    *,
    owner: bool = False,
    caller: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of a process of this service on this stack.

    With `owner`, the role that owns the database: for migrations and tests alone. With
    `caller`, the variables of the user who runs a command; they win over the `.env`.
    """
    given = {k: v for k, v in (caller or {}).items() if not UNWANTED.fullmatch(k)}
    found = {**given, **layout.base_env(), "PYTHONUNBUFFERED": "1"}
    if "PATH" in given:
        found["PATH"] = given["PATH"]
    if layout.stack:
        found["ENV_FILE"] = str(service.env_file)
    return {**found, **read_env(service.migrate_env_file)} if owner else found


def program(layout: Layout, service: Service) -> Program:
    """gunicorn on the socket that supervisord holds. The workers of a service are
    shared out among its processes."""
    written = read_env(service.env_file)
    workers = int(written.get("WEB_CONCURRENCY", "2"))
    each = max(1, -(-workers // PROCESSES))
    config = layout.root / "deploy" / "gunicorn.conf.py"
    words = ["config.wsgi:application", "--config", str(config), "--bind", "fd://0"]
    words += ["--workers", str(each), "--pythonpath", str(service.project)]
    more = {name: written[name] for name in SERVER_VARIABLES if written.get(name)}
    return Program(
        name=service.name,
        command=[str(layout.python), "-m", "gunicorn", *words],
        folder=layout.work / service.name,
        priority=20,
        env={**environment(layout, service), **more},
        address=written["BIND"],
    )


def manage(layout: Layout, service: Service, *words: str, owner: bool = False) -> Job:
    """A command of manage.py, for us and not for a user."""
    env = environment(layout, service, owner=owner)
    command = [layout.python, "manage.py", *words]
    return Job(f"{service.name}: manage.py {words[0]}", command, service.project, env)


def run_all(*jobs: Job) -> list[str]:
    """As programs.run; a wrong setting is one line in place of a traceback."""
    try:
        return run(*jobs)
    except ProgramFailed as failed:
        if found := IMPROPER.findall(failed.output):
            name = failed.args[0].partition(":")[0]
            raise Problem(f"{name}: {found[-1]}") from failed
        raise


def check(layout: Layout) -> None:
    """Load each service's settings, models and routes, as if to start it."""
    there = [service for service in layout.services if read_env(service.env_file)]
    run_all(*(manage(layout, service, "check") for service in there))


def prepare(layout: Layout, more: str) -> list[str]:
    """Tables and static files, for all services at the same time. Returns what each
    prints, and what `more`, another script, has printed."""
    shutil.rmtree(layout.static, ignore_errors=True)  # Removed files must not live on.
    layout.static.mkdir(mode=0o700)
    jobs = []
    for service in layout.services:
        env = environment(layout, service, owner=True)
        command = [layout.python, "-c", PREPARE + more, layout.state / "static.lock"]
        jobs.append(Job(f"{service.name}: migrate", command, service.project, env))
    return run_all(*jobs)


def make_keys(layout: Layout) -> None:
    """The key pair that signs tokens, where there is none."""
    if not list((layout.keys / "private").glob("*.pem")):
        command = [layout.python, "-m", KEYS, layout.keys]
        run(Job("Making the keys", command, layout.base, layout.base_env()))
