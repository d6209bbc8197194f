"""How long an answer takes does not show whether the account exists (PWD-06, BF-04).

Nor what factors it has, nor whether a passkey is known (PK-06). Real services: logins
at the Auth Service, which asks the User Service; and requests for a mail, with a
worker. docs/testing.md says what this proves, and what it does not.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import pytest

from deploy.tests.client import (
    LOGIN,
    PASSWORD,
    REGISTER,
    ApiClient,
    Response,
    refused,
)
from deploy.tests.factors import PASSKEY_LOGIN, FactorUser
from deploy.tests.stack import System
from deploy.tests.timing.timing_stats import Way, compared, rounds
from shared.tests.authenticator import Authenticator

pytestmark = pytest.mark.verify

STATES = {
    "inactive": "is_active = false",
    "deleted": "deleted_at = now()",
    "without a password": "password = '!'",
}
Login = dict[str, str]
Add = Callable[[FactorUser], Response]
FACTORS: dict[str, Add] = {
    "with an app": FactorUser.add_totp,
    "with a passkey": FactorUser.add_passkey,
}


def new_user(system: System, change: str = "", add: Add | None = None) -> FactorUser:
    """A new user, with a factor if one is added, whose row is then changed (as no
    operation would: at once)."""
    user = FactorUser(system)
    assert user.register().status_code == 201
    if add:
        assert user.log_in().ok
        assert add(user).ok
    if change:
        sql = f"UPDATE users_user SET {change} WHERE username = %s RETURNING id"  # noqa: S608
        assert system.query("users", sql, user.name)
    return user


def refused_logins(system: System) -> dict[str, Login]:
    """By what is wrong with them. `wrong` is the one that all others must be like."""
    present = new_user(system)
    protected = {name: new_user(system, add=add) for name, add in FACTORS.items()}
    gone = {name: new_user(system, change) for name, change in STATES.items()}
    unknown = f"p{secrets.token_hex(6)}"
    return {
        "wrong": {"email": present.email, "password": PASSWORD[::-1]},
        "almost right": {"email": present.email, "password": f"{PASSWORD[:-1]}x"},
        **{
            name: {"email": user.email, "password": PASSWORD[::-1]}
            for name, user in protected.items()
        },
        "unknown": {"email": f"{unknown}@example.org", "password": PASSWORD},
        "unknown username": {"username": unknown, "password": PASSWORD},
        # With the right password, which must make no difference.
        **{
            name: {"email": user.email, "password": PASSWORD}
            for name, user in gone.items()
        },
    }


def ask(http: ApiClient, login: Login) -> None:
    """Fails where a limit answers in place of the password check."""
    refused(http.post(LOGIN, json=login), 401, "invalid_credentials")


def check_alike(ways: Mapping[str, Way], standard: str, patience: float) -> None:
    """Skips where the machine is too busy to tell."""
    taken = rounds(ways, patience)
    found = {name: compared(name, standard, taken) for name in ways}
    assert not any(each.different for each in found.values()), found
    if not all(each.alike for each in found.values()):
        pytest.skip(f"UNDECIDED, this machine is too busy: {found}")


def test_all_refusals_take_the_same_time(system):
    http = ApiClient(system.auth_url, keep_alive=True)
    logins = refused_logins(system)
    ways = {name: partial(ask, http, login) for name, login in logins.items()}
    check_alike(ways, "wrong", 45)


def refused_passkeys(system: System) -> dict[str, Authenticator]:
    """By what is wrong with them."""
    present, inactive, deleted = (
        new_user(system, change, FactorUser.add_passkey).passkey
        for change in ("", STATES["inactive"], STATES["deleted"])
    )
    another = Authenticator(present.origin, present.rp_id, user_handle=bytes(32))
    return {
        "wrong signature": replace(another, id=present.id),
        "unknown": another,
        # With the right signature, which must make no difference.
        "inactive": inactive,
        "deleted": deleted,
    }


def ask_with(http: ApiClient, passkey: Authenticator) -> None:
    """Log in with it and nothing else."""
    options = http.post(f"{PASSKEY_LOGIN}/options").json()
    body = {"credential": passkey.get(options["passkey"]), "login": options["login"]}
    refused(http.post(PASSKEY_LOGIN, json=body), 401, "invalid_credentials")


def test_all_refused_passkeys_take_the_same_time(system):
    http = ApiClient(system.auth_url, keep_alive=True)
    passkeys = refused_passkeys(system)
    ways = {name: partial(ask_with, http, each) for name, each in passkeys.items()}
    check_alike(ways, "wrong signature", 30)


@pytest.fixture(scope="module")
def known(system):
    """A user, where an address is registered by its mailbox alone."""
    user = new_user(system)
    with system.with_settings(users={"EMAIL_VERIFICATION": "required"}):
        yield user


def ask_for_mail(http: ApiClient, path: str, email: str = "") -> None:
    """For this address, or one that is new each time; so is the username."""
    name = f"p{secrets.token_hex(6)}"
    body = {"email": email or f"{name}@example.org"}
    more = {"username": name} if path == REGISTER else {}
    answer = http.post(path, json=body | more)
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("route", ["", "verify_email/resend", "password_reset"])
def test_asking_for_a_mail_takes_the_same_time(system, known, route):
    """Also while the worker finds out who it is for, and mails."""
    http, path = ApiClient(system.users_url, keep_alive=True), f"{REGISTER}{route}"
    ways = {
        "known": partial(ask_for_mail, http, path, known.email),
        "unknown": partial(ask_for_mail, http, path),
    }
    check_alike(ways, "known", 40)
