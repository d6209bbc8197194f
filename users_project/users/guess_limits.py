"""The limits that an attempt at a password meets (docs/rate-limiting.md)."""

from dataclasses import dataclass
from typing import Any

from shared import ratelimit
from shared.api.client_ip import network
from shared.auth import device_cookie
from shared.ratelimit import Hits, RateLimitPolicy, digest
from users.events.log import record_failure
from users.mail import notices
from users.models import User
from users.validators import normalize_identifier

STAND_INS = 1024  # keys for all accounts that do not exist


@dataclass(frozen=True)
class Client:
    """Where an attempt comes from: an address, a browser and its device cookie."""

    ip: str | None = None
    user_agent: str = ""
    device: str = ""


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
        device = device_cookie.find(client.device, user) if user else None
        self.device = device and RateLimitPolicy(
            "LOGIN_LIMIT_DEVICE", device.user_id, device.id
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
        # By id, whatever name was typed. Without an account one of a few keys stands
        # in, so that the round trips are the same.
        stand_in = f"no account {int(digest(login), 16) % STAND_INS}"
        account = str(user.pk) if user else stand_in
        self.account = RateLimitPolicy("LOGIN_LIMIT_ACCOUNT", account)

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
        notices.of_login(user, self.client)
