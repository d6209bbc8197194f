"""Clients in TypeScript, by the types that openapi-typescript makes of the public
documents: the compiler accepts what the documents promise, and the answers of the main
job are so."""

import json
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.tests.client import PASSWORD
from deploy.tests.npm import npm_install
from deploy.tests.stack import SERVICES

NPM = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3")
SCRIPTS = Path(__file__).parent / "foreign"
COMPILER = "--strict --module nodenext --target es2022 --lib es2022,dom,dom.iterable"


@pytest.fixture
def main_job(system, tmp_path):
    """The script. The compiler has accepted every member that it and that of second
    factors read and give to a browser, and refused bodies that the documents refuse."""
    node = npm_install(tmp_path, *NPM)

    def run(*command: str, **env: str) -> str:
        options = {"env": {"PATH": str(Path(node).parent), **env}, "text": True}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def answers(name: str) -> Any:
        user = {"GATEWAY_URL": system.gateway_url, "NAME": name, "PASSWORD": PASSWORD}
        return json.loads(run(node, "main_job.mjs", **user))

    programs = tmp_path / "node_modules" / ".bin"
    for service in SERVICES:
        url = f"{system.gateway_url}/api/v1/{service}/openapi.json"
        exact = ("--default-non-nullable", "false", "-o", f"{service}.d.ts")
        run(f"{programs}/openapi-typescript", url, *exact)
    shutil.copytree(SCRIPTS, tmp_path, dirs_exist_ok=True)
    run(f"{programs}/tsc", *COMPILER.split(), "main_job.mts", "factors.mts")
    return answers


def test_typed_clients_do_the_main_job(main_job):
    name = f"g{secrets.token_hex(6)}"
    assert main_job(name) == [
        [201, name],
        [401, "invalid_credentials"],
        [200, "bearer"],
        [200, f"{name}@example.org"],
        [200, "bearer"],
        [200, True],
        [200, "string"],
        [401, "token_revoked"],
    ]
