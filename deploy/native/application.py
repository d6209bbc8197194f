"""The services themselves: how gunicorn and manage.py are started for each."""

import shutil
from collections.abc import Iterable, Mapping

from . import faults, logfiles, strays
from .envfiles import read
from .layout import Layout
from .problems import Problem, ProgramFailed
from .programs import Command, base_env, run
from .services import Service

# What gunicorn.conf.py reads from the environment; the services read their env file.
SERVER_VARIABLES = ("BIND", "WEB_CONCURRENCY", "WEB_THREADS", "FORWARDED_ALLOW_IPS")


def command(layout: Layout, service: Service) -> list[str]:
    """As a module: the script in bin/ has a first line that long paths break."""
    return _gunicorn(layout, service, "config.wsgi:application")


def _gunicorn(layout: Layout, service: Service, *words: str) -> list[str]:
    config = layout.root / "deploy" / "gunicorn.conf.py"
    return [
        *(str(layout.python), "-m", "gunicorn", *words),
        *("--config", str(config), "--chdir", str(service.project)),
    ]


def server_env(layout: Layout, service: Service) -> dict[str, str]:
    written = read(service.env_file(layout))
    names = [name for name in SERVER_VARIABLES if written.get(name)]
    mark = {strays.MARK: str(layout.state)}
    return {**env(layout, service), **mark, **{name: written[name] for name in names}}


def env(layout: Layout, service: Service) -> dict[str, str]:
    """The environment of a program of this service on this stack.

    Without the mark of strays: a command that a person runs must survive `down`.
    """
    found = {**base_env(layout), "PYTHONUNBUFFERED": "1"}
    del found[strays.MARK]
    if layout.stack:
        found["ENV_FILE"] = str(service.env_file(layout))
    return found


def owner_env(layout: Layout, service: Service) -> dict[str, str]:
    """For migrations and test runs alone: the role that owns the database."""
    return read(service.migrate_env_file(layout))


def migrate(layout: Layout, service: Service) -> None:
    _manage(layout, service, "migrate", "--no-input", "--verbosity", "0")


def check_server(
    layout: Layout, service: Service, more: Mapping[str, str] | None = None
) -> None:
    """Have gunicorn load its settings and the service's, as if to serve, with `more`
    that the env file is still to get. Not by config.wsgi, which begins to work."""
    application = "django.core.wsgi:get_wsgi_application()"
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings"}
    _run(
        layout,
        service,
        [*_gunicorn(layout, service, application, "--check-config")],
        {**server_env(layout, service), **settings, **(more or {})},
        "gunicorn --check-config",
    )


def check_commands(layout: Layout, service: Service, more: Mapping[str, str]) -> None:
    """Models, routes, and the settings that migrations get."""
    _manage(layout, service, "check", more=more)


def collect_static(layout: Layout, services: Iterable[Service]) -> None:
    """One folder for all; a fresh one, so that no removed file lives on."""
    shutil.rmtree(layout.static, ignore_errors=True)
    layout.static.mkdir(mode=0o700)
    for service in services:
        _manage(layout, service, "collectstatic", "--no-input", "--verbosity", "0")


def has_docs(layout: Layout, service: Service) -> bool:
    """Whether the service shows its schema; the words are those of shared.env."""
    text = read(service.env_file(layout)).get("DOCS_ENABLED", "true")
    return text.lower() not in ("false", "0", "no", "off")


def make_keys(layout: Layout) -> bool:
    """The key pair that signs tokens; True when there was none."""
    if list((layout.keys / "private").glob("*.pem")):
        return False
    generate: Command = [
        layout.python,
        "-m",
        "shared.keys.signing_keys",
        "generate",
        layout.keys,
    ]
    run(generate, env=base_env(layout), cwd=layout.base, what="Making the keys")
    return True


def shortly(service: Service, problem: Problem, hint: str) -> Problem:
    """A traceback's last line instead of all of it."""
    output = problem.output if isinstance(problem, ProgramFailed) else ""
    reason = faults.reason(output)
    return Problem(f"{service.name}: {reason}", hint=hint) if reason else problem


def _manage(
    layout: Layout,
    service: Service,
    *arguments: str,
    more: Mapping[str, str] | None = None,
) -> None:
    found = {**env(layout, service), **owner_env(layout, service), **(more or {})}
    command: Command = [layout.python, "manage.py", *arguments]
    _run(layout, service, command, found, f"manage.py {arguments[0]}")


def _run(
    layout: Layout,
    service: Service,
    command: Command,
    environment: Mapping[str, str],
    what: str,
) -> None:
    what = f"{service.name}: {what}"
    try:
        run(command, env=environment, cwd=service.project, what=what)
    except ProgramFailed as failed:
        log = layout.log(service.name)
        problem = shortly(service, failed, f"The full log is {log}")
        if problem is failed:
            raise
        with logfiles.open_for_append(log) as file:
            file.write(failed.output.encode())
        raise problem from failed
