"""The limits that an attempt at a password meets, the use of a link, and what a user
does with the own account (docs/rate-limiting.md)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from shared import ratelimit
from shared.api.client_ip import client_address, network, user_agent
from shared.api.exceptions import (
    AccountExists,
    InvalidCredentials,
    LinkInvalid,
    UsernameTaken,
)
from shared.auth import device_cookie
from shared.ratelimit import Hits, RateLimitPolicy, digest
from users.events.log import record_failure
from users.mail import notices
from users.models import User
from users.validators import normalize_identifier

STAND_INS = 1024  # keys for all accounts that do not exist
TRUST = 15 * 60  # seconds
OUTCOMES = (AccountExists, InvalidCredentials, LinkInvalid, UsernameTaken)


@dataclass(frozen=True)
class Client:
    """Where an attempt comes from: an address, a browser and its device cookie."""

    ip: str | None = None
    user_agent: str = ""
    device: str = ""


def client_of(request: Request | HttpRequest) -> Client:
    """Who has sent it, whether to the API or to a page."""
    address, device = client_address(request), device_cookie.read(request)
    return Client(address, user_agent(request), device)


@contextmanager
def counted(client: Client, limit: str = "LINK_LIMIT_ADDRESS") -> Iterator[None]:
    """The use of a link, or a request for one, counted by the client's address. Raises
    RateLimited. What is malformed, or meets a fault of ours, costs nothing."""
    with Hits(*OUTCOMES, ip=client.ip) as hits:
        hits.require(RateLimitPolicy(limit, network(client.ip, 32, 56)))
        yield


@contextmanager
def counted_of(user: User, limit: str) -> Iterator[None]:
    """What a user does with the own account, counted by the user. Raises RateLimited.
    What fails costs nothing."""
    with Hits(user_id=str(user.pk)) as hits:
        hits.require(RateLimitPolicy(limit, str(user.pk)))
        yield


def trust(user: User, client: Client) -> None:
    """Take the client's address for a device of the user, who has used a link for a new
    password there: strangers may have used up what others may try. Best effort."""
    ratelimit.remember(trust_key(str(user.pk), client), TRUST)


def trusted_address(account: str, client: Client) -> str | None:
    """What such an address is counted by; None for others. One round trip."""
    key = trust_key(account, client)
    return key if ratelimit.is_remembered(key) else None


def trust_key(account: str, client: Client) -> str:
    address = network(client.ip, 32, 64)
    return f"{settings.SERVICE_NAME}:reset:{digest(f'{account} {address}')}"


def forget(user: User) -> None:
    """Lift the limits of the account itself."""
    names = ("LOGIN_LIMIT_ACCOUNT", "LOGIN_LIMIT_SUCCESS", "PASSWORD_LIMIT_USER")
    ratelimit.clear([RateLimitPolicy(name, str(user.pk)) for name in names])


class LoginAttempt(Hits):
    """One attempt to log in as `login`, which is `user`'s name or no one's.

    A device that has logged in to the account counts by itself. All others count by
    address, network, name and account. The limit of the account is silent: a visible
    one would tell that an e-mail address and a username belong to one user.
    """

    def __init__(
        self, login: str, user: User | None, client: Client, **context: Any
    ) -> None:
        login = normalize_identifier(login)
        context |= {"login": digest(login), "user_id": user and str(user.pk)}
        super().__init__(ip=client.ip, user_agent=client.user_agent, **context)
        self.user, self.client, self.is_silent = user, client, False
        # By id, whatever name was typed. Without an account one of a few keys stands
        # in, so that the round trips are the same.
        stand_in = f"no account {int(digest(login), 16) % STAND_INS}"
        account = str(user.pk) if user else stand_in
        self.account = RateLimitPolicy("LOGIN_LIMIT_ACCOUNT", account)
        device = device_cookie.find(client.device, user) if user else None
        known = device.id if device else trusted_address(account, client)
        self.device = (
            RateLimitPolicy("LOGIN_LIMIT_DEVICE", account, known) if known else None
        )
        address = network(client.ip, 32, 64)
        self.address = RateLimitPolicy("LOGIN_LIMIT_ADDRESS", address)
        # An IPv6 client may have a whole /48.
        near, far = network(client.ip, 24, 56), network(client.ip, 24, 48)
        self.failures = [
            RateLimitPolicy("LOGIN_LIMIT_NETWORK", each)
            for each in dict.fromkeys((near, far))
        ]
        self.failures.append(RateLimitPolicy("LOGIN_LIMIT_NAME", login, near))

    def spend(self) -> None:
        """Count it, before the password is looked at. Raises RateLimited."""
        self.is_trusted = self.device is not None and self.hit(self.device) is None
        if not self.is_trusted:
            self.require(self.address, *self.failures)
            # In this order: a refusal by name spends nothing of the account.
            refused = self.hit(self.account)
            self.is_silent = refused is not None and self.user is not None

    def fail(self) -> None:
        """It stays counted. The one that was the account's last is mailed. A limit that
        is reached is named: what is refused from now on leaves no event for each."""
        events = ["authn_login_fail"]
        if self.is_silent:
            events.append("authn_login_fail_max")
        context = self.context
        if reached := self.reached():
            context = {**context, "reached": reached}
        record_failure(events, **context)
        if self.user and self.user.is_present and self.is_last(self.account):
            notices.of_guesses(self.user)

    def succeed(self, user: User) -> None:
        """Forget the failures of the device and the account. Those by name stay, or
        strangers would learn that the owner has just logged in. Raises RateLimited."""
        if not self.is_trusted:
            self.require(RateLimitPolicy("LOGIN_LIMIT_SUCCESS", str(user.pk)))
            self.release(*self.failures)
        ratelimit.clear(filter(None, [self.account, self.device]))
