"""Clients that openapi-python-client and openapi-typescript build from the public
documents do the main job: every answer is of the type that its document promises."""

import importlib
import json
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pyotp
import pytest

from deploy.tests.client import PASSWORD
from deploy.tests.npm import npm_install
from deploy.tests.stack import SERVICES, System

NPM = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3")
SCRIPT = Path(__file__).parent / "foreign" / "main_job.mts"
COMPILER = "--strict --module nodenext --target es2022 --lib es2022,dom,dom.iterable"


@pytest.fixture(scope="module")
def packages(system, tmp_path_factory):
    """`auth_client` and `users_client`, which can be imported as long as this lasts."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "ruff.toml").touch()  # or the generator's ruff takes the checkout's
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        for service in SERVICES:
            generate(system, service, folder)
        yield


def generate(system: System, service: str, folder: Path) -> None:
    """A warning about the document is a failure, too."""
    url = f"{system.gateway_url}/api/v1/{service}/openapi.json"
    command = [sys.executable, "-m", "openapi_python_client", "generate"]
    command += ["--url", url, "--fail-on-warning", "--meta", "none"]
    command += ["--output-path", str(folder / f"{service}_client")]
    env = {"PATH": str(Path(sys.executable).parent), "RUFF_NO_CACHE": "true"}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


class Application:
    """What is built on the two packages. The cookies are in auth's client."""

    def __init__(self, url: str) -> None:
        self.options = {"base_url": url, "httpx_args": {"trust_env": False}}
        self.auth = package("auth").Client(**self.options)
        self.users = package("users").Client(**self.options)

    def use(self, token: str) -> None:
        self.users.get_httpx_client().close()
        kind = package("users").AuthenticatedClient
        self.users = kind(token=token, **self.options)

    def as_user(self, token: str) -> None:
        """With an access token at auth, and without its cookies."""
        self.auth.get_httpx_client().close()
        self.auth = package("auth").AuthenticatedClient(token=token, **self.options)

    def close(self) -> None:
        for client in (self.auth, self.users):
            client.get_httpx_client().close()

    def call(self, operation: str, **body: Any) -> tuple[int, Any]:
        """The status, and the object that the package makes of the answer."""
        service = operation.partition("_")[0]
        module = package(service, f"api.{service}.{operation}")
        answer = module.sync_detailed(client=getattr(self, service), **body)
        return int(answer.status_code), answer.parsed


def package(service: str, *modules: str) -> Any:
    return importlib.import_module(".".join([f"{service}_client", *modules]))


def model(service: str, name: str) -> Any:
    return getattr(package(service, "models"), name)


@pytest.fixture
def app(packages, system):
    app = Application(system.gateway_url)
    yield app
    app.close()


def test_generated_clients_do_the_main_job(app):
    name = f"g{secrets.token_hex(6)}"
    email = f"{name}@example.org"
    registration = model("users", "RegistrationRequest")
    new = registration(username=name, email=email, password=PASSWORD)
    status, user = app.call("users_register", body=new)
    assert (status, type(user)) == (201, model("users", "User"))
    mine = model("users", "Me")
    status, problem = app.call("users_register", body=new)
    assert (status, problem.code.value) == (409, "account_exists")

    by_email = model("auth", "EmailCredentialsRequest")
    wrong = by_email(email=email, password="not this one")
    status, problem = app.call("auth_login", body=wrong)
    assert (status, problem.code.value) == (401, "invalid_credentials")
    by_name = model("auth", "UsernameCredentialsRequest")
    for right in (
        by_name(username=name, password=PASSWORD),
        by_email(email=email, password=PASSWORD),
    ):
        status, grant = app.call("auth_login", body=right)
        assert (status, type(grant)) == (200, model("auth", "Grant"))

    app.use(grant.access_token)
    status, me = app.call("users_me")
    assert (status, type(me), me.id) == (200, mine, user.id)
    status, grant = app.call("auth_refresh")
    assert (status, type(grant)) == (200, model("auth", "Grant"))
    app.use(grant.access_token)
    status, me = app.call("users_me")
    assert (status, type(me), me.id) == (200, mine, user.id)

    status, message = app.call("auth_logout")
    assert (status, type(message)) == (200, model("auth", "Message"))
    for operation, code in (
        ("users_me", "token_revoked"),
        ("auth_refresh", "token_missing"),
    ):
        status, problem = app.call(operation)
        assert (status, problem.code.value) == (401, code)


def test_generated_clients_add_a_factor_log_in_with_it_and_step_up(app):
    """Every code is good once, so the second one is that of the next half minute."""
    name = f"g{secrets.token_hex(6)}"
    email = f"{name}@example.org"
    registration = model("users", "RegistrationRequest")
    app.call(
        "users_register",
        body=registration(username=name, email=email, password=PASSWORD),
    )
    credentials = model("auth", "EmailCredentialsRequest")(
        email=email, password=PASSWORD
    )
    status, grant = app.call("auth_login", body=credentials)
    assert (status, type(grant)) == (200, model("auth", "Grant"))
    app.use(grant.access_token)
    status, new = app.call("users_add_totp", body=model("users", "NameRequest")())
    assert status == 201
    totp = pyotp.TOTP(new.secret)
    confirmation = model("users", "CodeRequest")(code=totp.now())
    status, codes = app.call("users_confirm_totp", factor_id=new.id, body=confirmation)
    assert (status, len(codes.recovery_codes)) == (200, 10)

    status, problem = app.call("auth_login", body=credentials)
    assert (status, problem.code.value) == (401, "second_factor_required")
    assert [each.value for each in problem.factors] == ["totp", "recovery_code"]
    second_factor = model("auth", "SecondFactorRequest")
    wrong = second_factor(login=problem.login, totp="000000")
    status, refused = app.call("auth_login_second_factor", body=wrong)
    assert (status, refused.code.value) == (401, "second_factor_invalid")
    assert refused.tries_left == 4
    right = second_factor(login=problem.login, totp=totp.at(time.time() + 30))
    status, grant = app.call("auth_login_second_factor", body=right)
    assert (status, type(grant)) == (200, model("auth", "Grant"))

    app.as_user(grant.access_token)
    status, options = app.call("auth_step_up_options")
    assert status == 200
    code = codes.recovery_codes[0]
    again = model("auth", "StepUpRequest")(login=options.login, recovery_code=code)
    status, grant = app.call("auth_step_up", body=again)
    claims = jwt.decode(grant.access_token, options={"verify_signature": False})
    assert (status, claims["acr"]) == (200, "aal2")
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    app.use(grant.access_token)
    status, _ = app.call("users_remove_factor", factor_id=new.id)
    assert status == 204


# ---- TypeScript ----------------------------------------------------------------------


def test_typed_clients_do_the_main_job(system, tmp_path):
    """The compiler has accepted every member that the script reads, and refused bodies
    that the documents refuse."""
    node = npm_install(tmp_path, *NPM)

    def run(*command: str, **env: str) -> str:
        options = {"env": {"PATH": str(Path(node).parent), **env}, "text": True}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    programs = tmp_path / "node_modules" / ".bin"
    for service in SERVICES:
        url = f"{system.gateway_url}/api/v1/{service}/openapi.json"
        run(f"{programs}/openapi-typescript", url, "-o", f"{service}.d.ts")
    shutil.copy(SCRIPT, tmp_path)
    run(f"{programs}/tsc", *COMPILER.split(), SCRIPT.name)
    name = f"g{secrets.token_hex(6)}"
    user = {"GATEWAY_URL": system.gateway_url, "NAME": name, "PASSWORD": PASSWORD}
    assert json.loads(run(node, "main_job.mjs", **user)) == [
        [201, name],
        [401, "invalid_credentials"],
        [200, "bearer"],
        [200, f"{name}@example.org"],
        [200, "bearer"],
        [200, True],
        [200, "string"],
        [401, "token_revoked"],
    ]
