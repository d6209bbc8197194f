"""Services next to the stack, of other code or with other settings: under ports of
their own, on the databases of the stack."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from deploy.tests.client import ApiClient, Response
from deploy.tests.stack import GUNICORN_CONF, ROOT, System, wait_until
from nginx.tests.gateway_stack import free_port

REPORTS = Path(__file__).parent / "reports_project"


@contextmanager
def running(
    name: str,
    project: Path,
    settings: Mapping[str, str],
    app: str = "config.wsgi:application",
    prefix: Sequence[str] = (),
) -> Iterator[str]:
    """The address of the service in `project`, under gunicorn as long as the block
    lasts. `settings` are its environment, `prefix` starts it on another host."""
    here = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**here, "PYTHONDONTWRITEBYTECODE": "1", **settings}
    env.setdefault("BIND", f"127.0.0.1:{free_port()}")
    command = [*prefix, sys.executable, "-m", "gunicorn", app]
    command += ["--config", str(GUNICORN_CONF), "--chdir", str(project)]
    url = f"http://{env['BIND']}"
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            live = f"{url}/api/v1/{name}/health/live"
            wait_until(lambda: is_live(live), 60, f"start of another {name}")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def is_live(address: str) -> bool:
    with suppress(requests.RequestException):  # not there yet, or slow to wake
        return ApiClient().get(address, timeout=5).ok
    return False


class ThirdService:
    """What others may ask of it."""

    def __init__(self, url: str) -> None:
        self.http = ApiClient(url)

    def who(self, token: str, path: str = "who") -> Response:
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.request("GET", f"/api/v1/reports/{path}", headers=headers)

    def payout(self, token: str) -> Response:
        """Of a route that asks for a second factor."""
        return self.who(token, "payout")


@contextmanager
def third_service(
    system: System, *prefix: str, **settings: str
) -> Iterator[ThirdService]:
    """Its own process, and keys from the JWK Set. It has the User Service's settings:
    that, too, only reads session keys. The database is never asked."""
    given = system.settings("users")
    for name in given:
        if name.endswith("_FILE"):
            given[name] = str((ROOT / "users_project" / given[name]).resolve())
    for name in ("JWT_PUBLIC_KEYS_DIR", "BIND"):
        given.pop(name, None)
    given |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENV_FILE": os.devnull,
        "JWT_JWKS_URL": f"{system.auth_url}/.well-known/jwks.json",
        **settings,
    }
    app = "django.core.wsgi:get_wsgi_application()"
    with running("reports", REPORTS, given, app, prefix) as url:
        yield ThirdService(url)
