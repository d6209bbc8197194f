"""Clients in TypeScript, by the types that openapi-typescript makes of the public
documents: the compiler accepts what the documents promise, and the answers are so."""

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


@pytest.fixture(scope="module")
def scripts(system, tmp_path_factory):
    """Runs one of them. The compiler has accepted every member that they read and give
    to a browser, and refused bodies that the documents refuse."""
    folder = tmp_path_factory.mktemp("typescript")
    node = npm_install(folder, *NPM)

    def run(*command: str, **env: str) -> str:
        options = {"env": {"PATH": str(Path(node).parent), **env}, "text": True}
        done = subprocess.run(command, cwd=folder, capture_output=True, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def answers(script: str, name: str) -> Any:
        user = {"GATEWAY_URL": system.gateway_url, "NAME": name, "PASSWORD": PASSWORD}
        return json.loads(run(node, f"{script}.mjs", **user))

    programs = folder / "node_modules" / ".bin"
    for service in SERVICES:
        url = f"{system.gateway_url}/api/v1/{service}/openapi.json"
        exact = ("--default-non-nullable", "false", "-o", f"{service}.d.ts")
        run(f"{programs}/openapi-typescript", url, *exact)
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
    run(f"{programs}/tsc", *COMPILER.split(), "main_job.mts", "factors.mts")
    return answers


def test_typed_clients_do_the_main_job(scripts):
    name = f"g{secrets.token_hex(6)}"
    assert scripts("main_job", name) == [
        [201, name],
        [401, "invalid_credentials"],
        [200, "bearer"],
        [200, f"{name}@example.org"],
        [200, "bearer"],
        [200, True],
        [200, "string"],
        [401, "token_revoked"],
    ]


def test_typed_clients_use_factors(scripts):
    assert scripts("factors", f"g{secrets.token_hex(6)}") == [
        ["password", "aal1", "pwd"],
        ["password again", "aal1", "pwd"],
        ["second_factor_required", "totp", "recovery_code"],
        ["totp", "aal2", "pwd otp mfa"],
        ["recovery code", "aal2", "pwd otp mfa"],
        ["passkey alone", "aal2", "hwk user mfa"],
        ["second_factor_required", "passkey", "totp", "recovery_code"],
        ["passkey", "aal2", "pwd hwk user mfa"],
        ["passkey again", "aal2", "pwd hwk user mfa"],
        [9, "totp", "passkey"],
        [204],
    ]
