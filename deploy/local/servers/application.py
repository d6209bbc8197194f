"""The services: the environment of their processes, and manage.py."""

import re
import shutil
from collections.abc import Mapping

from deploy.local.setup.files import read_env
from deploy.local.setup.layout import Layout, Service

from .programs import Job, run

# A service's commands get the shell's variables, except these of Python and of Memo.
UNWANTED = re.compile(r"PYTHON.*|DJANGO_SETTINGS_MODULE|VIRTUAL_ENV|MEMO_.*")
# One start of Django for all steps. The lock is for static files: services share their
# folder and some files. It prints the names of the settings that the service reads.
PREPARE = """
import fcntl, os, sys
import django
from django.core.management import call_command
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
if len(sys.argv) > 1:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0, skip_checks=False)
    with open(sys.argv[1], "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        call_command("collectstatic", interactive=False, verbosity=0)
from django.conf import settings
from shared.checks import READ_ELSEWHERE
print("names:", *settings.ENV_NAMES, *READ_ELSEWHERE)
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
    found = {**given, **layout.base_env()}
    found["PATH"] = given.get("PATH", found["PATH"])
    if layout.stack:
        found["ENV_FILE"] = str(service.env_file)
    return {**found, **read_env(service.migrate_env_file)} if owner else found


def run_in_all(layout: Layout, *words: object, owner: bool = False) -> dict[str, str]:
    """Run Python with these words in every service that has settings, at the same time.
    Returns what each prints."""
    services = [each for each in layout.services if read_env(each.env_file)]
    jobs = []
    for each in services:
        env = environment(layout, each, owner=owner)
        what = f"{each.name}: {'manage.py' if words[0] != '-c' else 'preparation'}"
        jobs.append(Job(what, [layout.python, *words], each.project, env))
    names = (each.name for each in services)
    return dict(zip(names, run(*jobs), strict=True))


def prepare(layout: Layout) -> dict[str, str]:
    """Make tables and static files, of all services at the same time. Returns what each
    prints: the names of its settings."""
    shutil.rmtree(layout.static, ignore_errors=True)  # Removed files must not live on.
    layout.static.mkdir(mode=0o700)
    lock = layout.state / "static.lock"
    return run_in_all(layout, "-c", PREPARE, lock, owner=True)
