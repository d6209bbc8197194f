"""What has to come with a link."""

from dataclasses import dataclass
from uuid import UUID

from rest_framework.exceptions import ValidationError

from shared.api.exceptions import InvalidCredentials
from users import credentials
from users.accounts import links
from users.accounts.models import Link
from users.guess_limits import Client


@dataclass(frozen=True)
class Proof:
    """A password, or the id of the user whose access token came with the request."""

    password: str = ""
    user_id: UUID | None = None


def required(field: str) -> ValidationError:
    """For a member that this link needs."""
    return ValidationError({field: ["This link needs it."]}, code="required")


def check(link: Link, proof: Proof, client: Client) -> None:
    """Mailbox and password must meet: the link shows the mailbox, so it needs the
    password of its account, or an access token of it.

    A password is counted as a login's, since a link must not buy guesses; and five
    wrong ones void the link. Raises ValidationError, InvalidCredentials, LinkInvalid,
    RateLimited or Overloaded.
    """
    if proof.user_id == link.user_id:
        return
    if not proof.password:
        raise required("password")
    assert link.user is not None
    with links.attempt(link):
        email = link.user.email
        user = credentials.authenticate(proof.password, client, email=email)
        if user is None or user.pk != link.user_id:
            raise InvalidCredentials
