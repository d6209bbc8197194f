"""Links that finish a registration, or verify the address of a user."""

from django.db import transaction
from django.utils import timezone

from users.accounts import links, registration
from users.accounts.models import Link, Purpose
from users.accounts.proofs import Proof, check
from users.events.log import record
from users.limits.guess_limits import Client, counted


def confirm(token: str, proof: Proof, client: Client, username: str = "") -> None:
    """Use the link of a registration, with the password of the new account and perhaps
    another username; or the link of a user, with their password or access token.

    Raises LinkInvalid, ValidationError, UsernameTaken, InvalidCredentials, RateLimited
    or Overloaded. The link stays good, except for LinkInvalid and five wrong passwords.
    """
    with counted(client):
        link = links.find(token, Purpose.REGISTER, Purpose.VERIFY)
        if link.purpose == Purpose.REGISTER:
            registration.finish(link, proof.password, username)
        else:
            check(link, proof, client)
            verify(link)


def verify(link: Link) -> None:
    """Mark the address of its user as verified. Raises LinkInvalid."""
    with transaction.atomic():
        user = links.take(link)
        user.email_verified_at = timezone.now()
        user.write({"email_verified_at"})
        record("email_verified", user.pk)
