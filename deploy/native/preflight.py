"""Before `up` stops what runs: would what is to replace it start at all?"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from . import application, configure, gateway, secretfiles, virtualenv
from .addresses import Addresses
from .layout import Layout
from .problems import Problem
from .services import Service
from .stages import stage, together

LEFT = "The stack that runs was left as it is."


def check(layout: Layout, services: Sequence[Service], chosen: Addresses) -> None:
    """Load every program's settings as it would find them; a Problem tells the first
    fault. Of what running processes look at, nothing is changed."""
    secretfiles.ensure(layout, services)  # Adds what is missing, for new services.
    try:
        with (
            stage("what is to run is checked"),
            TemporaryDirectory(dir=layout.state, prefix="check-") as scratch,
        ):
            _check(layout, services, chosen, Path(scratch))
    except Problem as problem:
        hint = f"{problem.hint}\n  {LEFT}" if problem.hint else LEFT
        raise Problem(str(problem), hint=hint, code=problem.code) from problem


def _check(
    layout: Layout, services: Sequence[Service], chosen: Addresses, scratch: Path
) -> None:
    coming = configure.pending(layout, services, chosen)
    env = coming[layout.gateway_env]
    gateway.check(layout, services, chosen, env, scratch)
    if not virtualenv.fits(layout):  # It may lack what the new code needs.
        return
    application.make_keys(layout)
    checks = (_check_server, _check_commands)
    together([partial(each, layout, s, coming) for s in services for each in checks])


def _check_server(
    layout: Layout, service: Service, coming: dict[Path, dict[str, str]]
) -> None:
    more = coming[service.env_file(layout)]
    application.check_server(layout, service, more)


def _check_commands(
    layout: Layout, service: Service, coming: dict[Path, dict[str, str]]
) -> None:
    more = {
        **coming[service.env_file(layout)],
        **coming[service.migrate_env_file(layout)],
    }
    application.check_commands(layout, service, more)
