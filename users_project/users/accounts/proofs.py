"""The proof of identity that a request with a link needs."""

from dataclasses import dataclass
from uuid import UUID

from rest_framework.exceptions import ValidationError

from shared.api.exceptions import (
    InvalidCredentials,
    LinkInvalid,
    SecondFactorRequired,
    TokenInvalid,
)
from shared.auth import device_cookie
from users.accounts import links
from users.accounts.models import Link
from users.factors import policy
from users.factors.verification import FactorProof, verify
from users.limits.guess_limits import Client
from users.models import User
from users.passwords import credentials


@dataclass(frozen=True)
class Proof:
    """A password; or the id of a user who has given it before, by an access token or on
    a page. On a page the `factor` follows."""

    password: str = ""
    user_id: UUID | None = None
    factor: FactorProof | None = None


def required(field: str) -> ValidationError:
    """The error if a member that this link needs is missing."""
    return ValidationError({field: ["This link needs it."]}, code="required")


def check(link: Link, proof: Proof, client: Client) -> None:
    """Check mailbox and password together: the link proves the mailbox, so it needs the
    account's password or an access token. If the account has a second factor, the
    password alone is not enough.

    Raises ValidationError, InvalidCredentials, SecondFactorRequired,
    SecondFactorInvalid, LinkInvalid, RateLimited or Overloaded.
    """
    if proof.user_id != link.user_id:
        user = check_password(link, proof.password, client)
        is_trusted = device_cookie.is_trusted(client.device, user)
        if policy.methods(user) and not is_trusted:
            raise SecondFactorRequired
    elif proof.factor:
        check_factor(link, proof.factor, client)


def check_password(link: Link, password: str, client: Client) -> User:
    """Check the password. It counts like one of a login, so that links give no more
    guesses. Five wrong ones void the link."""
    if not password:
        raise required("password")
    assert link.user is not None
    with links.attempt(link):
        email = link.user.email
        user = credentials.authenticate(password, client, email=email)
        if user is None or user.pk != link.user_id:
            raise InvalidCredentials
    return user


def check_factor(link: Link, factor: FactorProof, client: Client) -> None:
    """Check the factor after the password, which completes a login. Raises LinkInvalid
    if sessions have ended since the link was made, as `links.take` does."""
    user = User.objects.find(id=link.user_id, factors=True)
    if user is None:
        raise LinkInvalid
    try:
        verify(user, factor, client, link.session_epoch)
    except TokenInvalid as exc:
        raise LinkInvalid from exc
    credentials.note_login(user, client)
