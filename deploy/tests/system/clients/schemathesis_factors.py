"""What a Schemathesis run sends to operations of second factors, for one that works."""

import secrets
from typing import Any

from webauthn.helpers import bytes_to_base64url

from deploy.tests.client import PASSWORD, TestUser, claims_of
from deploy.tests.factors import FACTORS, STEP_UP, FactorUser, enrolled
from deploy.tests.stack import System
from shared.tests.authenticator import Authenticator

AUTH, USERS = "/api/v1/auth", "/api/v1/users"
# Those of users who have factors, by a session that was opened with one.
GUARDED = {
    f"POST {AUTH}/login/second_factor",
    f"POST {AUTH}/login/passkey",
    f"POST {USERS}/me/recovery_codes",
    f"DELETE {USERS}/me/password",
    f"POST {USERS}/passkeys/verify",
}
EPOCH = "SELECT session_epoch FROM users_user WHERE username = %s"


def guarded(system: System, users: list[FactorUser]) -> FactorUser:
    """A user with an app and a passkey; a new one, as `logged_in` has it."""
    if not (users and users[-1].verify().ok):
        users.append(enrolled(FactorUser(system)))
    return users[-1]


def factor_body(label: str, user: Any) -> Any:
    """A body that the operation accepts of this user; None for other operations."""
    bodies = {
        f"POST {AUTH}/login/second_factor": second_factor,
        f"POST {AUTH}/login/passkey": FactorUser.signed_login,
        f"POST {AUTH}/step_up": step_up,
        f"POST {USERS}/me/factors/passkeys": passkey,
        f"PATCH {USERS}/me/factors/{{factor_id}}": lambda user: {"name": "phone"},
        f"POST {USERS}/passkeys/verify": signed,
        f"POST {USERS}/{{user_id}}/factors/enrol": lambda user: epoch(user),
        f"POST {USERS}/{{user_id}}/factors/verify": lambda user: {
            **epoch(user),
            "password": PASSWORD,
            "sid": user.sid,
        },
    }
    return bodies[label](user) if label in bodies else None


def second_factor(user: FactorUser) -> dict[str, Any]:
    invitation = user.first_step()
    return {"login": invitation["login"], "totp": user.unused_code()}


def step_up(user: TestUser) -> dict[str, Any]:
    options = user.call("POST", f"{STEP_UP}/options").json()
    return {"login": options["login"], "password": PASSWORD}


def passkey(user: TestUser) -> dict[str, Any]:
    options = user.call("POST", f"{FACTORS}/passkeys/options").json()["passkey"]
    made = Authenticator(user.system.gateway_url, options["rp"]["id"])
    return {"credential": made.create(options)}


def signed(user: FactorUser) -> dict[str, Any]:
    challenge = bytes_to_base64url(secrets.token_bytes(32))
    credential = user.passkey.get({"challenge": challenge})
    return {"challenge": challenge, "credential": credential}


def epoch(user: TestUser) -> dict[str, Any]:
    ((number,),) = user.system.query("users", EPOCH, user.name)
    return {"epoch": number}


def waiting_factor(user: TestUser) -> str:
    """The id of one that has no code yet."""
    return str(user.call("POST", f"{FACTORS}/totp", json={}).json()["id"])


def ids_of(label: str, user: TestUser) -> dict[str, str]:
    """What stands in the path of an operation."""
    own = {"user_id": claims_of(user.access)["sub"], "session_id": user.sid}
    named = {name: own[name] for name in own if f"{{{name}}}" in label}
    return named | (
        {"factor_id": waiting_factor(user)} if "{factor_id}" in label else {}
    )
