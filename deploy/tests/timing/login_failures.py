"""Logins that must all be refused alike, and the users for them."""

import secrets
from functools import partial

from deploy.tests.client import LOGIN, PASSWORD, ApiClient, TestUser
from deploy.tests.stack import System
from deploy.tests.timing.timing_stats import Way

STATES = {
    "inactive": "is_active = false",
    "deleted": "deleted_at = now()",
    "without a password": "password = '!'",
}
Login = dict[str, str]


def new_user(system: System, change: str = "", *values: str) -> TestUser:
    """A new user, whose row is then changed (as no operation would: at once)."""
    user = TestUser(system)
    assert user.register().status_code == 201
    if change:
        sql = f"UPDATE users_user SET {change} WHERE username = %s RETURNING id"  # noqa: S608
        assert system.query("users", sql, *values, user.name)
    return user


def refused_logins(system: System) -> dict[str, Login]:
    """By what is wrong with them. `wrong` is the one that all others must be like."""
    present = new_user(system)
    gone = {name: new_user(system, change) for name, change in STATES.items()}
    unknown = f"p{secrets.token_hex(6)}"
    return {
        "wrong": {"email": present.email, "password": PASSWORD[::-1]},
        "almost right": {"email": present.email, "password": f"{PASSWORD[:-1]}x"},
        "unknown": {"email": f"{unknown}@example.org", "password": PASSWORD},
        "unknown username": {"username": unknown, "password": PASSWORD},
        # With the right password, which must make no difference.
        **{
            name: {"email": user.email, "password": PASSWORD}
            for name, user in gone.items()
        },
    }


def ways(auth_url: str, logins: dict[str, Login]) -> dict[str, Way]:
    """Each of the logins, over one connection that stays open."""
    http = ApiClient(keep_alive=True)
    return {name: partial(refused, http, auth_url, it) for name, it in logins.items()}


def refused(http: ApiClient, auth_url: str, login: Login) -> None:
    """Fails where a limit answers in place of the password check."""
    response = http.post(auth_url + LOGIN, json=login)
    assert response.status_code == 401, response.text
