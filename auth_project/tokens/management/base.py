"""Functions for the commands about a user's sessions."""

from uuid import UUID

from django.core.management.base import CommandError

from shared.api.exceptions import Unavailable
from shared.clients import users_client


def find_user_id(text: str) -> UUID:
    """The id of the user with this e-mail address, username or id. An id also works if
    the User Service is unavailable. Raises CommandError."""
    try:
        found = users_client().lookup(text)
    except Unavailable as exc:
        if user_id := as_id(text):
            return user_id
        message = "The User Service does not answer. Use the user's id."
        raise CommandError(message) from exc
    if len(found) > 1:
        message = f"{text} is the username of {found[0]} and another user's id."
        raise CommandError(f"{message} Use an e-mail address.")
    if user_id := found[0] if found else as_id(text):  # sessions may outlive the row
        return user_id
    raise CommandError(f"There is no user {text}.")


def as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
