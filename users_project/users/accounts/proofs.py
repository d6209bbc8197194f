"""What has to come with a link."""

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
from users import credentials
from users.accounts import links
from users.accounts.models import Link
from users.factors import policy
from users.factors.verification import FactorProof, verify
from users.guess_limits import Client
from users.models import User


@dataclass(frozen=True)
class Proof:
    """A password; or the id of the user who has proved it before, by an access token or
    on a page, where the `factor` follows."""

    password: str = ""
    user_id: UUID | None = None
    factor: FactorProof | None = None


def required(field: str) -> ValidationError:
    """For a member that this link needs."""
    return ValidationError({field: ["This link needs it."]}, code="required")


def check(link: Link, proof: Proof, client: Client) -> None:
    """Mailbox and password must meet: the link shows the mailbox, so it needs the
    password of its account, or an access token of it. With a second factor, the
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
    """It is counted as a login's, since a link must not buy guesses; and five wrong
    ones void the link."""
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
    """After the password, with which it makes a login. A link is void after a change of
    the sessions, as `links.take` finds too."""
    user = User.objects.find(id=link.user_id, factors=True)
    if user is None:
        raise LinkInvalid
    try:
        verify(user, factor, client, link.session_epoch)
    except TokenInvalid as exc:
        raise LinkInvalid from exc
    credentials.note_login(user, client)
