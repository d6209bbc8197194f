"""Rate limits of logins, of the use of links, and of what users do with their own
account (docs/rate-limiting.md)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from shared.api.client_ip import client_address, network, user_agent
from shared.api.exceptions import (
    AccountExists,
    InvalidCredentials,
    LinkInvalid,
    UsernameTaken,
)
from shared.auth import device_cookie
from shared.auth.session_state import noting_failure
from shared.limits import lockouts, ratelimit
from shared.limits.ratelimit import Hits, RateLimitPolicy, digest
from users.events.log import record_failure
from users.mail.models import Kind
from users.mail.outbox import notify
from users.models import User
from users.validators import normalize_identifier

STAND_INS = 1024  # keys for all accounts that do not exist
TRUST = 15 * 60  # seconds
MONTH = 30 * 24 * 3600  # seconds
OUTCOMES = (AccountExists, InvalidCredentials, LinkInvalid, UsernameTaken)


@dataclass(frozen=True)
class Client:
    """Where an attempt comes from: an address, a browser and its device cookie."""

    ip: str | None = None
    user_agent: str = ""
    device: str = ""


def client_of(request: Request | HttpRequest) -> Client:
    """The client that has sent this request, to the API or to a page."""
    address, device = client_address(request), device_cookie.read(request)
    return Client(address, user_agent(request), device)


@contextmanager
def counted(client: Client, limit: str = "LINK_LIMIT_ADDRESS") -> Iterator[None]:
    """Count the use of a link, or a request for one, by the client's address. Raises
    RateLimited. Malformed requests and our own faults are not counted."""
    with Hits(*OUTCOMES, ip=client.ip) as hits:
        hits.require(RateLimitPolicy(limit, network(client.ip, 32, 56)))
        yield


@contextmanager
def counted_of(user: User, limit: str, *outcomes: type[Exception]) -> Iterator[None]:
    """Count by user an action on the user's own account. Raises RateLimited. An action
    that fails is not counted, unless it is by one of `outcomes`."""
    with Hits(*outcomes, user_id=str(user.pk)) as hits:
        hits.require(RateLimitPolicy(limit, str(user.pk)))
        yield


def trust(user: User, client: Client) -> None:
    """Count the client's address as a device of the user after a reset of the password:
    strangers may have used up the limits of unknown devices. Best effort."""
    ratelimit.remember(trust_key(str(user.pk), client), TRUST)


def trusted_address(account: str, client: Client) -> str | None:
    """The limit key of an address that counts as a device, or None. One round trip."""
    key = trust_key(account, client)
    return key if ratelimit.is_remembered(key) else None


def trust_key(account: str, client: Client) -> str:
    address = network(client.ip, 32, 64)
    return f"{settings.SERVICE_NAME}:reset:{digest(f'{account} {address}')}"


def forget(user: User) -> None:
    """Clear the limits that count by account. That of second factors only if it is
    reached, and once a month: otherwise a thief of the mailbox could guess without
    end."""
    account = str(user.pk)
    names = ["LOGIN_LIMIT_ACCOUNT", "LOGIN_LIMIT_SUCCESS", "PASSWORD_LIMIT_USER"]
    policies = [RateLimitPolicy(name, account) for name in names]
    factors = RateLimitPolicy("FACTOR_LIMIT_ACCOUNT", account)
    key = f"{settings.SERVICE_NAME}:reset:{digest(account)}"
    if is_reached(factors) and ratelimit.remember(key, MONTH, once=True):
        policies.append(factors)
    ratelimit.clear(policies)


def is_reached(policy: RateLimitPolicy) -> bool:
    """Whether the limit is reached. False if Redis is unavailable. One round trip."""
    if not ratelimit.breaker.is_open():
        with noting_failure("is_reached", ratelimit.breaker):
            return lockouts.are_reached([policy]) == [True]
    return False


def account_subject(user_id: UUID | None, name: str) -> str:
    """What the limits of an account count by: its id, whatever name was typed. Unknown
    names are counted by STAND_INS keys, so that they take the same round trips."""
    stand_in = f"no account {int(digest(name), 16) % STAND_INS}"
    return str(user_id) if user_id else stand_in


def record_passkey_failure(
    user_id: UUID | None, passkey_id: bytes, client: Client, site: str
) -> None:
    """Record a login that a passkey has failed, as an event of its user if it is known.
    No count refuses passkeys, or changes the answer: beyond the limit of an account,
    which passwords do not share, it leaves a row a day."""
    account = account_subject(user_id, passkey_id.hex())
    refused = Hits().hit(RateLimitPolicy("LOGIN_LIMIT_ACCOUNT", account, "passkey"))
    is_silent = refused is not None and user_id is not None
    context: Any = {"site": site, "ip": client.ip, "user_agent": client.user_agent}
    record_failure(["authn_login_fail"], user_id, is_silent=is_silent, **context)


class LoginAttempt(Hits):
    """One attempt to log in as `login`. `user` is the account of this name, or None.

    A device that has logged in to the account has a limit of its own. All others count
    by address, network, name and account. The limit of the account is silent: a visible
    one would reveal that an e-mail address and a username belong to the same user.
    """

    def __init__(
        self, login: str, user: User | None, client: Client, **context: Any
    ) -> None:
        login = normalize_identifier(login)
        context |= {"login": digest(login), "user_id": user and str(user.pk)}
        super().__init__(ip=client.ip, user_agent=client.user_agent, **context)
        self.user, self.client, self.is_silent = user, client, False
        account = account_subject(user.pk if user else None, login)
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
        """Count the attempt, before the password is checked. Raises RateLimited."""
        self.is_trusted = self.device is not None and self.hit(self.device) is None
        if not self.is_trusted:
            self.require(self.address, *self.failures)
            # The account comes last: a refusal by name spends nothing of its limit.
            refused = self.hit(self.account)
            self.is_silent = refused is not None and self.user is not None

    def fail(self) -> None:
        """Record a failure; it stays counted, even if it cannot be recorded. Mail the
        user if it reached the account's limit. Name all limits reached, since later
        refusals leave no events."""
        self.keep()
        context = self.context
        if reached := self.reached():
            context = {**context, "reached": reached}
        record_failure(["authn_login_fail"], is_silent=self.is_silent, **context)
        if self.user and self.user.is_present and self.is_last(self.account):
            notify(Kind.LOGIN_BLOCKED, self.user, daily=1)

    def succeed(self, user: User) -> None:
        """Clear the failures by device and account. Those by name stay: otherwise
        strangers would learn that the owner has just logged in. Raises RateLimited."""
        if not self.is_trusted:
            self.require(RateLimitPolicy("LOGIN_LIMIT_SUCCESS", str(user.pk)))
            self.release(*self.failures)
        ratelimit.clear(filter(None, [self.account, self.device]))
