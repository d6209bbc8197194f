"""Services next to the stack, of other code or with other settings: under ports of
their own, on the databases of the stack."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from deploy.tests.client import ApiClient
from deploy.tests.stack import GUNICORN_CONF, System, wait_until
from nginx.tests.gateway_stack import free_port


@contextmanager
def running(
    name: str,
    project: Path,
    settings: Mapping[str, str],
    app: str = "config.wsgi:application",
    health: str = "ready",
) -> Iterator[str]:
    """The address of the service in `project`, under gunicorn as long as the block
    lasts. `settings` are its environment."""
    here = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**here, "PYTHONDONTWRITEBYTECODE": "1", **settings}
    env.setdefault("BIND", f"127.0.0.1:{free_port()}")
    command = [sys.executable, "-m", "gunicorn", app, "--config", str(GUNICORN_CONF)]
    command += ["--chdir", str(project)]
    url = f"http://{env['BIND']}"
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            address = f"{url}/api/v1/{name}/health/{health}"
            wait_until(lambda: is_well(address), 60, f"start of another {name}")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def is_well(health: str) -> bool:
    try:
        return ApiClient().get(health, timeout=5).ok
    except requests.RequestException:  # not there yet, or slow to wake
        return False


@contextmanager
def variant(
    system: System, service: str, project: Path, settings: Mapping[str, str]
) -> Iterator[str]:
    """With the settings of the stack's own service, before which `settings` come."""
    env_file = {"ENV_FILE": str(system.state / "env" / f"{service}.env")}
    with running(service, project, {**env_file, **settings}) as url:
        yield url
