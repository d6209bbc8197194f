"""A third service beside the stack: its own process, keys from the JWK Set."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from deploy.tests.stack import ROOT, System, eventually
from deploy.tests.users import TIMEOUT

PROJECT = Path(__file__).parent / "reports_project"


class ThirdService:
    """What others may ask of it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def who(self, token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.url}/api/v1/reports/who"
        return requests.get(url, headers=headers, timeout=TIMEOUT)

    def is_ready(self) -> bool:
        try:
            url = f"{self.url}/api/v1/reports/health/live"
            return requests.get(url, timeout=1).ok
        except requests.ConnectionError:
            return False


@contextmanager
def third_service(system: System) -> Iterator[ThirdService]:
    """Running under gunicorn, as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "django.core.wsgi:get_wsgi_application()",
    ]
    command += [
        "--config",
        str(ROOT / "deploy" / "gunicorn.conf.py"),
        "--chdir",
        str(PROJECT),
    ]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, env=environment(system, address), stdout=log, stderr=log
        )
        try:
            service = ThirdService(f"http://{address}")
            eventually(service.is_ready, 15, "start of the third service")
            yield service
        finally:
            process.terminate()
            process.wait(30)


def environment(system: System, address: str) -> dict[str, str]:
    """The User Service's settings in its place: it, too, only reads session keys. The
    database is never asked."""
    given = system.settings("users")
    for name in given:
        if name.endswith("_FILE"):
            given[name] = str((ROOT / "users_project" / given[name]).resolve())
    del given["JWT_PUBLIC_KEYS_DIR"]
    here = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **here,
        **given,
        "BIND": address,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENV_FILE": os.devnull,
        "JWT_JWKS_URL": f"{system.auth_url}/.well-known/jwks.json",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
