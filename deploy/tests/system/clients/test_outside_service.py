"""A service outside of this checkout, made by docs/integration.md: it has a wheel of
`shared`, the address of the key set and an API key. No store is open to it.
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.tests.client import ApiClient, code_of
from deploy.tests.extra_services import is_live
from deploy.tests.stack import ROOT, System, wait_until
from deploy.tests.wheel import build_wheel
from nginx.tests.gateway_stack import free_port

TITLE = "\n## A Django service outside this checkout\n"
PAGE = (ROOT / "docs" / "integration.md").read_text()
SECTION = PAGE.partition(TITLE)[2].partition("\n## ")[0]
MAKE, START = re.findall(r"```sh\n(.*?)```", SECTION, re.S)
EXPORT, CHECK, SERVE = START.splitlines()
FILES = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", SECTION, re.S))
SETTINGS = re.findall(r"^(\w+)=", FILES.pop(".env"), re.M)
CLOSED = "127.0.0.1:9"  # where nothing listens
WHO, PAYOUTS = "/api/v1/reports/who", "/api/v1/reports/payouts"


def environment(folder: Path) -> dict[str, str]:
    """Of the commands: no variable of the suite's, and pip asks no index."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder), "PIP_NO_INDEX": "1"}


def shell(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-ec", text]
    env = environment(folder)
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def role():
    """One that no other run has made."""
    return f"finance-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, role):
    """The service, by the commands and files of the page. What the wheel requires is
    found where the suite has it: pip refuses the wheel unless all of it is there."""
    folder = tmp_path_factory.mktemp("outside") / "reports"
    folder.mkdir()
    shutil.move(build_wheel(tmp_path_factory.mktemp("wheel")), folder)
    make, install = MAKE.split("\n", 1)
    assert shell(folder, make).returncode == 0
    [site] = folder.glob("env/lib/python*/site-packages")
    # In front of an older setuptools, which may come with the environment.
    line = f"import sys; sys.path.insert(0, {sysconfig.get_path('purelib')!r})"
    (site / "requirements.pth").write_text(line)
    done = shell(folder, install)
    assert done.returncode == 0, done.stderr
    for name, text in FILES.items():
        (folder / name).write_text(text.replace('"finance"', f'"{role}"'))
    code = "import shared; print(shared.__file__)"
    found = shell(folder, f"env/bin/python -c '{code}'").stdout
    assert found.startswith(str(site)), found
    return folder


def configure(folder: Path, system: System) -> None:
    """Write the settings that the page names, and no others."""
    random = secrets.token_urlsafe(48)
    given = {
        "SECRET_KEY": random,
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": f"postgres://reports:{random}@{CLOSED}/reports",
        "REDIS_URL": f"redis://reports:{random}@{CLOSED}",
        "JWT_ISSUER": system.gateway_url,
        "JWT_JWKS_URL": f"{system.gateway_url}/.well-known/jwks.json",
        "AUTH_SERVICE_URL": system.auth_url,
        "AUTH_SERVICE_API_KEY": system.api_key("auth"),
    }
    assert [*given] == SETTINGS
    # The stack of the suites is one for development: its issuer is http.
    lines = [f"{name}={value}\n" for name, value in given.items()]
    (folder / ".env").write_text("".join([*lines, "ENVIRONMENT=development\n"]))


@contextmanager
def serving(folder: Path) -> Iterator[ApiClient]:
    """The service, started as the page says, but for its port."""
    address = f"127.0.0.1:{free_port()}"
    env = environment(folder) | {"GUNICORN_CMD_ARGS": f"--bind={address}"}
    command = ["bash", "-c", f"{EXPORT}; exec {SERVE}"]
    url = f"http://{address}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
        try:
            live = f"{url}/api/v1/reports/health/live"
            wait_until(lambda: is_live(live), 60, "start of the service outside")
            yield ApiClient(url)
        finally:
            process.terminate()
            process.wait(30)


def test_what_is_missing_is_one_line(folder):
    """OPS-01: every setting of the page, those that its own module reads too."""
    (folder / ".env").unlink(missing_ok=True)
    done = shell(folder, f"{EXPORT}; {CHECK}")
    assert done.returncode != 0
    [line] = done.stderr.splitlines()
    assert line.startswith("ImproperlyConfigured: These settings are missing: ")
    named = {*re.findall(r"[A-Z_]{5,}", line)}
    assert named == {*SETTINGS, "JWT_PUBLIC_KEYS_DIR"}


def test_it_may_start_in_production(folder, system):
    """With the settings of the page, once the issuer is not of this machine."""
    configure(folder, system)
    production = "export ENVIRONMENT=production JWT_ISSUER="
    done = shell(folder, f"{production}https://memo.example; {EXPORT}; {CHECK}")
    assert (done.returncode, done.stderr) == (0, ""), done
    done = shell(folder, f"{production}http://memo.example; {EXPORT}; {CHECK}")
    assert "(memo.E015)" in done.stderr


def test_it_knows_users_their_roles_and_their_logout(
    folder, system, operator, user, role
):
    configure(folder, system)
    me = user.me().json()
    with serving(folder) as service:

        def answer(path):
            return service.get(path, headers=user.bearer)

        for headers, code in (
            ({}, "token_missing"),
            ({"Authorization": "Bearer x"}, "token_invalid"),
        ):
            refused = service.get(WHO, headers=headers)
            assert (refused.status_code, code_of(refused)) == (401, code)

        assert answer(WHO).json() == {"id": me["id"], "roles": []}
        assert code_of(answer(PAYOUTS)) == "forbidden"
        operator.give_role(me, role)
        assert user.refresh().ok
        assert answer(PAYOUTS).json() == {"id": me["id"], "roles": [role]}

        assert user.log_out().ok
        assert code_of(answer(WHO)) == "token_revoked"
