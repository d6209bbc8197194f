"""The limits that an attempt at a password meets (docs/rate-limiting.md)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from shared import ratelimit
from shared.api.client_ip import client_address, network, user_agent
from shared.auth import device_cookie
from shared.ratelimit import Hits, RateLimitPolicy, digest
from shared.structured_logging import audit
from users.models import User
from users.validators import normalize_identifier

STAND_INS = 1024  # keys for all accounts that do not exist


@dataclass(frozen=True)
class Client:
    """Where an attempt comes from: an address, a browser and its device cookie."""

    ip: str | None = None
    user_agent: str = ""
    device: str = ""


def client_of(request: HttpRequest) -> Client:
    """The browser that calls the User Service itself."""
    device = device_cookie.read(request)
    return Client(client_address(request), user_agent(request), device)


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
        context |= {"ip": client.ip, "user_agent": client.user_agent}
        super().__init__(**context)
        self.user = user
        self.is_silent = False
        known = user and device_cookie.find(client.device, user)
        self.devices = [device_policy(known)] if known else []
        self.address = RateLimitPolicy(
            "LOGIN_LIMIT_ADDRESS", network(client.ip, 32, 64)
        )
        self.failures = failure_policies(login, client.ip)
        self.account = account_policy(user, login)

    def spend(self) -> None:
        """Count it, before the password is looked at. Raises RateLimited."""
        self.is_trusted = any(self.hit(device) is None for device in self.devices)
        if not self.is_trusted:
            self.require(self.address, *self.failures)
            # In this order: a refusal by name spends nothing of the account.
            refused = self.hit(self.account)
            self.is_silent = refused is not None and self.user is not None

    def fail(self) -> None:
        """It stays counted."""
        audit("authn_login_fail", **self.context)
        if self.is_silent:
            audit("authn_login_fail_max", **self.context)

    def succeed(self, user: User) -> None:
        """Forget the failures of the device and the account. Those by name stay, or
        strangers would learn that the owner has just logged in. Raises RateLimited."""
        if not self.is_trusted:
            self.require(RateLimitPolicy("LOGIN_LIMIT_SUCCESS", str(user.pk)))
            self.release(*self.failures)
        ratelimit.clear([self.account, *self.devices])


def device_policy(device: device_cookie.Device) -> RateLimitPolicy:
    return RateLimitPolicy("LOGIN_LIMIT_DEVICE", device.user_id, device.id)


def failure_policies(login: str, ip: str | None) -> list[RateLimitPolicy]:
    """By network, then by name and network. An IPv6 client may have a whole /48."""
    near, far = network(ip, 24, 56), network(ip, 24, 48)
    networks = [near] if near == far else [near, far]
    return [
        *(RateLimitPolicy("LOGIN_LIMIT_NETWORK", each) for each in networks),
        RateLimitPolicy("LOGIN_LIMIT_NAME", login, near),
    ]


def account_policy(user: User | None, login: str) -> RateLimitPolicy:
    """By id, whatever name was typed. Without an account one of a few keys stands in,
    so that the round trips are the same."""
    stand_in = f"no account {int(digest(login), 16) % STAND_INS}"
    return RateLimitPolicy("LOGIN_LIMIT_ACCOUNT", str(user.pk) if user else stand_in)


def registration_policy(ip: str | None) -> RateLimitPolicy:
    return RateLimitPolicy("REGISTRATION_LIMIT_ADDRESS", network(ip, 32, 56))


def password_change_policies(user_id: UUID, session: str) -> list[RateLimitPolicy]:
    """By session, so that a stolen one leaves the owner's others alone."""
    return [
        RateLimitPolicy("PASSWORD_LIMIT_SESSION", str(user_id), session),
        RateLimitPolicy("PASSWORD_LIMIT_USER", str(user_id)),
    ]
