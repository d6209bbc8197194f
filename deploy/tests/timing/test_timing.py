"""How long a refusal takes does not show whether the account exists (PWD-06, BF-04).

Real services, through both of them: logins at the Auth Service, which asks the User
Service. docs/testing.md says what this proves, and what it does not.
"""

import secrets
from functools import partial

import pytest

from deploy.tests.client import (
    LOGIN,
    PASSWORD,
    ApiClient,
    TestUser,
    code_of,
    internal,
    same_but_for_the_id,
)
from deploy.tests.stack import System
from deploy.tests.timing.timing_stats import compared, rounds

STATES = {
    "inactive": "is_active = false",
    "deleted": "deleted_at = now()",
    "without a password": "password = '!'",
}
Login = dict[str, str]


def new_user(system: System, change: str = "") -> TestUser:
    """A new user, whose row is then changed (as no operation would: at once)."""
    user = TestUser(system)
    assert user.register().status_code == 201
    if change:
        sql = f"UPDATE users_user SET {change} WHERE username = %s RETURNING id"  # noqa: S608
        assert system.query("users", sql, user.name)
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


def ask(http: ApiClient, login: Login) -> None:
    """Fails where a limit answers in place of the password check."""
    response = http.post(LOGIN, json=login)
    assert response.status_code == 401, response.text


def test_all_refusals_are_the_same_bytes(system: System) -> None:
    """Through the gateway, at each service, and but for the request's id and date."""
    logins = refused_logins(system).values()
    verify = [
        internal(system, "POST", "/api/v1/users/verify", json=login) for login in logins
    ]
    assert same_but_for_the_id(*verify)
    for base in (system.gateway_url, system.auth_url):
        answers = [ApiClient(base).post(LOGIN, json=login) for login in logins]
        assert code_of(answers[0]) == "invalid_credentials"
        assert same_but_for_the_id(*answers)


@pytest.mark.parametrize(
    ("names", "patience"),
    [
        pytest.param(("unknown",), 12, id="unknown"),
        pytest.param((), 45, id="all", marks=pytest.mark.verify),
    ],
)
def test_all_refusals_take_the_same_time(
    system: System, names: tuple[str, ...], patience: float
) -> None:
    http = ApiClient(system.auth_url, keep_alive=True)
    logins = refused_logins(system)
    chosen = ("wrong", *names) if names else logins
    ways = {name: partial(ask, http, logins[name]) for name in chosen}
    taken = rounds(ways, patience)
    found = {name: compared(name, "wrong", taken) for name in ways}
    assert not any(each.different for each in found.values()), found
    if not all(each.alike for each in found.values()):
        pytest.skip(f"UNDECIDED, this machine is too busy: {found}")
