"""The acts of the services that are limited, and by what."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from redis.client import Pipeline
from rest_framework.exceptions import ValidationError

from shared.api.exceptions import AccountExists, InvalidCredentials, TokenError
from shared.limits.attempts import Act, Rider
from shared.limits.buckets import (
    Bucket,
    Delays,
    Distinct,
    address_of,
    digest,
    growing,
    key,
    network_of,
)
from shared.limits.rules import of
from shared.names import canonical

KNOWN_FOR = 30 * 24 * 3600  # seconds since the last log-in from an address
LOGIN = "login"


def log_in(login: str, address: str | None, **story: Any) -> Act:
    """A password tried for what was typed as e-mail address or username, whether or not
    there is such an account."""
    login, client, network = canonical(login), address_of(address), network_of(address)
    return Act(
        LOGIN,
        (
            Bucket(
                "address",
                key(LOGIN, "address", client),
                of("LOGIN_LIMIT_PER_ADDRESS"),
                passes_known=True,
            ),
            pair(login, client),
            account(login),
            Bucket(
                "global",
                key(LOGIN, "global"),
                of("LOGIN_LIMIT_GLOBAL"),
                passes_known=True,
                in_floor=False,
            ),
            Distinct(
                "spraying",
                key(LOGIN, "spraying", network),
                of("LOGIN_LIMIT_SPRAYING"),
                passes_known=True,
                in_floor=False,
                slowed=of("LOGIN_LIMIT_WHILE_SPRAYING"),
                member=digest(login),
            ),
        ),
        known=known(login, address),
        outcomes=(InvalidCredentials,),
        story={"login": digest(login), "ip": address, **story},
    )


def pair(login: str, client: str) -> Delays:
    where = key(LOGIN, "pair", login, client)
    return growing("pair", where, of("LOGIN_LIMIT_PER_PAIR"))


def account(login: str) -> Delays:
    """Beyond its ceiling a log-in that is not known waits for the next of the trickle;
    without one, until the failures are forgotten."""
    limit, trickle = of("LOGIN_LIMIT_PER_ACCOUNT"), of("LOGIN_TRICKLE")
    wait = trickle.seconds // trickle.most if trickle.most else limit.seconds
    wait = max(wait, 1)
    return Delays(
        "account",
        key(LOGIN, "account", login),
        limit,
        passes_known=True,
        first=wait,
        longest=wait,
        event="authn_login_fail_max",
    )


def known(login: str, address: str | None) -> str:
    """The key which says that this login has succeeded from this address."""
    return key(LOGIN, "known", canonical(login), address_of(address))


def remember(logins: Iterable[str], address: str | None) -> Rider:
    """After a log-in: forget the failures of an account, by all of its names, and know
    them from this address."""
    names = {canonical(login) for login in logins}

    def rider(pipeline: Pipeline) -> None:
        for login in names:
            pipeline.set(known(login, address), 1, ex=KNOWN_FOR)
            failures = pair(login, address_of(address)).keys + account(login).keys
            pipeline.delete(*failures)

    return rider


def refresh(sid: str, address: str | None) -> Act:
    client = address_of(address)
    return Act(
        "refresh",
        (
            Bucket(
                "session",
                key("refresh", "session", sid),
                of("REFRESH_LIMIT_PER_SESSION"),
            ),
            Bucket(
                "address",
                key("refresh", "address", client),
                of("REFRESH_LIMIT_PER_ADDRESS"),
            ),
        ),
        outcomes=(TokenError,),
        story={"sid": sid, "ip": address},
        has_floor=False,
    )


def register(address: str | None) -> Act:
    return Act(
        "registration",
        (
            Bucket(
                "address",
                key("registration", "address", address_of(address)),
                of("REGISTRATION_LIMIT_PER_ADDRESS"),
            ),
            Bucket(
                "global",
                key("registration", "global"),
                of("REGISTRATION_LIMIT_GLOBAL"),
                in_floor=False,
            ),
        ),
        outcomes=(AccountExists,),
        story={"ip": address},
    )


def change_password(user_id: UUID, address: str | None) -> Act:
    where = key("password", "user", str(user_id))
    return Act(
        "password",
        (growing("user", where, of("PASSWORD_LIMIT_PER_USER")),),
        outcomes=(ValidationError,),
        story={"user_id": str(user_id), "ip": address},
    )


def verify(caller: str) -> Act:
    where = key("verify", "caller", caller)
    return Act(
        "verify",
        (Bucket("caller", where, of("VERIFY_LIMIT_PER_CALLER")),),
        story={"caller": caller},
        has_floor=False,
    )
