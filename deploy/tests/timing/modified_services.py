"""Services beside the stack, of other code or with other settings: on its databases,
under ports of their own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from deploy.tests.stack import ROOT, System, eventually

# Text that stands in a file once, and what it is replaced with.
Change = tuple[str, str, str]


@contextmanager
def beside(
    system: System, service: str, project: Path, settings: Mapping[str, str]
) -> Iterator[str]:
    """The address of a service of the code in `project`, under gunicorn as long as the
    block lasts. `settings` come before those of the stack."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    here = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {
        **here,
        "BIND": address,
        "ENV_FILE": str(system.state / "env" / f"{service}.env"),
        "PYTHONDONTWRITEBYTECODE": "1",
        **settings,
    }
    command = [sys.executable, "-m", "gunicorn", "config.wsgi:application"]
    command += [
        "--config",
        str(ROOT / "deploy" / "gunicorn.conf.py"),
        "--chdir",
        str(project),
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            health = f"http://{address}/api/v1/{service}/health/ready"
            eventually(lambda: is_well(health), 30, f"start of another {service}")
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(30)


def is_well(health: str) -> bool:
    try:
        return requests.get(health, timeout=5).ok
    except requests.ConnectionError:
        return False


def changed_copy(service: str, folder: Path, changes: Sequence[Change]) -> Path:
    """The project of a service with `changes`, in `folder`. Fails where a text that is
    to be replaced does not stand there once."""
    project = folder / f"{service}_project"
    skipped = shutil.ignore_patterns("__pycache__", "tests", ".env*")
    shutil.copytree(ROOT / project.name, project, ignore=skipped)
    # Where relative paths of the settings lead.
    (folder / ".run").symlink_to(ROOT / ".run")
    for name, old, new in changes:
        path = project / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name} has not once: {old}"
        path.write_text(text.replace(old, new))
    return project
