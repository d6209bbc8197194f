"""Log-ins that must all be refused alike, and people of whom that is tried."""

import secrets
from functools import partial

import requests
from argon2 import PasswordHasher

from deploy.tests.load import connections
from deploy.tests.stack import System
from deploy.tests.timing.stopwatch import Way
from deploy.tests.users import PASSWORD, TIMEOUT, Person

STATES = {
    "inactive": "is_active = false",
    "deleted": "deleted_at = now()",
    "without a password": "password = '!'",
}
Login = dict[str, str]


def somebody(system: System, change: str = "", *values: str) -> Person:
    """A new person, whose row is then changed (as no operation would: at once)."""
    person = Person(system)
    assert person.register().status_code == 201
    if change:
        sql = f"UPDATE users_user SET {change} WHERE username = %s RETURNING id"  # noqa: S608
        assert system.query("users", sql, *values, person.name)
    return person


def refused_logins(system: System) -> dict[str, Login]:
    """By what is wrong with them. `wrong` is the one that all others must be like."""
    present = somebody(system)
    gone = {name: somebody(system, change) for name, change in STATES.items()}
    nobody = f"p{secrets.token_hex(6)}"
    return {
        "wrong": {"email": present.email, "password": PASSWORD[::-1]},
        "right but for the end": {
            "email": present.email,
            "password": f"{PASSWORD[:-1]}x",
        },
        "unknown": {"email": f"{nobody}@example.org", "password": PASSWORD},
        "unknown username": {"username": nobody, "password": PASSWORD},
        # With the right password: nobody else's business either.
        **{
            name: {"email": person.email, "password": PASSWORD}
            for name, person in gone.items()
        },
    }


def imported_logins(system: System, hashes: dict[str, str]) -> dict[str, Login]:
    """Of people with the wrong password whose hash is of another algorithm or cost."""
    return {
        name: {
            "email": somebody(system, "password = %s", encoded).email,
            "password": PASSWORD[::-1],
        }
        for name, encoded in hashes.items()
    }


def argon2_of_other_costs() -> str:
    """As Django stores it."""
    hasher = PasswordHasher(time_cost=3, memory_cost=19456, parallelism=1)
    return "argon2" + hasher.hash(PASSWORD)


def ways(auth_url: str, logins: dict[str, Login]) -> dict[str, Way]:
    """Each of the log-ins, over one connection that stays open."""
    http = connections()
    return {name: partial(refused, http, auth_url, it) for name, it in logins.items()}


def refused(http: requests.Session, auth_url: str, login: Login) -> None:
    """Fails where a limit answers in place of the password check."""
    url = f"{auth_url}/api/v1/auth/login"
    response = http.post(url, json=login, timeout=TIMEOUT)
    assert response.status_code == 401, response.text
