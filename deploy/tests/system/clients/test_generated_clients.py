"""Clients that openapi-python-client builds from the public documents do the main job
and use second factors: every answer is of the type that its document promises."""

import importlib
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pyotp
import pytest

from deploy.tests.client import PASSWORD
from deploy.tests.stack import SERVICES, System
from shared.tests.authenticator import Authenticator


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
        self.url = url
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


# ---- Second factors ------------------------------------------------------------------


@pytest.fixture
def credentials(app):
    """Of a new user, who is logged in at users."""
    name = f"g{secrets.token_hex(6)}"
    email = f"{name}@example.org"
    registration = model("users", "RegistrationRequest")
    new = registration(username=name, email=email, password=PASSWORD)
    app.call("users_register", body=new)
    body = model("auth", "EmailCredentialsRequest")(email=email, password=PASSWORD)
    use(app, app.call("auth_login", body=body), "aal1 pwd")
    return body


def use(app: Application, answer: tuple[int, Any], levels: str) -> None:
    """The access token of this answer, of these levels."""
    status, grant = answer
    assert (status, type(grant)) == (200, model("auth", "Grant"))
    claims = jwt.decode(grant.access_token, options={"verify_signature": False})
    assert " ".join([claims["acr"], *claims["amr"]]) == levels
    app.use(grant.access_token)


def invited(app: Application, credentials: Any, *factors: str) -> Any:
    """What a login with the right password says of its second step."""
    status, problem = app.call("auth_login", body=credentials)
    assert (status, problem.code.value) == (401, "second_factor_required")
    assert [each.value for each in problem.factors] == [*factors]
    return problem


def step_up(app: Application) -> Any:
    app.as_user(app.users.token)
    status, options = app.call("auth_step_up_options")
    assert status == 200
    return options


def add_totp(app: Application) -> tuple[Any, Any]:
    """What an app has, and recovery codes."""
    status, new = app.call("users_add_totp", body=model("users", "NameRequest")())
    assert status == 201
    code = pyotp.TOTP(new.secret).now()
    body = model("users", "CodeRequest")(code=code)
    status, codes = app.call("users_confirm_totp", factor_id=new.id, body=body)
    assert (status, len(codes.recovery_codes)) == (200, 10)
    return new, codes


def test_generated_clients_use_an_app_and_recovery_codes(app, credentials):
    """Every code is good once, so the second one is that of the next half minute."""
    new, codes = add_totp(app)
    code_of_then = pyotp.TOTP(new.secret).at(time.time() + 30)
    problem = invited(app, credentials, "totp", "recovery_code")
    by_app = model("auth", "TotpSecondFactorRequest")
    wrong = by_app(login=problem.login, totp="000000")
    status, refused = app.call("auth_login_second_factor", body=wrong)
    assert (status, refused.code.value) == (401, "second_factor_invalid")
    assert refused.tries_left == 4
    right = by_app(login=problem.login, totp=code_of_then)
    use(app, app.call("auth_login_second_factor", body=right), "aal2 pwd otp mfa")
    problem = invited(app, credentials, "totp", "recovery_code")
    by_code = model("auth", "RecoveryCodeSecondFactorRequest")
    lost = by_code(login=problem.login, recovery_code=codes.recovery_codes[1])
    use(app, app.call("auth_login_second_factor", body=lost), "aal2 pwd otp mfa")

    login, code = step_up(app).login, codes.recovery_codes[0]
    again = model("auth", "RecoveryCodeStepUpRequest")(login=login, recovery_code=code)
    use(app, app.call("auth_step_up", body=again), "aal2 pwd otp mfa")
    status, codes = app.call("users_replace_recovery_codes")
    assert (status, len(codes.recovery_codes)) == (200, 10)
    status, _ = app.call("users_remove_factor", factor_id=new.id)
    assert status == 204


def test_generated_clients_use_a_passkey(app, credentials):
    """With nothing else, as second factor, and to step up."""
    status, asked = app.call("users_passkey_options")
    assert status == 200
    passkey = Authenticator(app.url, asked.passkey.rp.id)
    made = model("users", "RegistrationResponseJSON").from_dict(
        passkey.create(asked.passkey.to_dict())
    )
    new = model("users", "NewPasskeyRequest")(credential=made, name="laptop")
    status, added = app.call("users_add_passkey", body=new)
    assert (status, len(added.recovery_codes)) == (201, 10)

    def answered(request: str, member: str, invitation: Any) -> Any:
        """A body of this type, which the passkey has signed."""
        signed = passkey.get(invitation.passkey.to_dict())
        credential = model("auth", "AuthenticationResponseJSON").from_dict(signed)
        return model("auth", request)(login=invitation.login, **{member: credential})

    status, options = app.call("auth_login_passkey_options")
    assert status == 200
    alone = answered("PasskeyLoginRequest", "credential", options)
    use(app, app.call("auth_login_passkey", body=alone), "aal2 hwk user mfa")
    problem = invited(app, credentials, "passkey", "recovery_code")
    second = answered("PasskeySecondFactorRequest", "passkey", problem)
    levels = "aal2 pwd hwk user mfa"
    use(app, app.call("auth_login_second_factor", body=second), levels)
    again = answered("PasskeyStepUpRequest", "passkey", step_up(app))
    use(app, app.call("auth_step_up", body=again), levels)

    name = model("users", "NewNameRequest")(name="desk")
    status, _ = app.call("users_rename_factor", factor_id=added.id, body=name)
    assert status == 200
    status, own = app.call("users_me_factors")
    assert (status, own.recovery_codes_left) == (200, 10)
    assert [(each.id, each.name) for each in own.factors] == [(added.id, "desk")]


@pytest.mark.verify  # starts the User Service with another policy, and again
def test_generated_clients_enrol_where_a_factor_is_required(app, credentials, system):
    """The login before has left the cookie of the device, which proves enough."""
    with system.with_settings(users={"SECOND_FACTOR": "required"}):
        problem = invited(app, credentials)
        assert problem.enrol is True
        body = model("auth", "EnrolRequest")(login=problem.login)
        status, enrolment = app.call("auth_login_enrol", body=body)
        assert (status, type(enrolment)) == (200, model("auth", "EnrolToken"))
        app.use(enrolment.enrol_token)
        add_totp(app)
        invited(app, credentials, "totp", "recovery_code")
