"""Names that only one user may have: e-mail address and username."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError
from psycopg.errors import UniqueViolation

from shared.api.exceptions import AccountExists, UsernameTaken
from users.accounts import links
from users.models import User


@contextmanager
def unique_names(user: User) -> Iterator[None]:
    """Wrap the statement that writes the names. Raises AccountExists for the address,
    UsernameTaken for the username; then the transaction must end.

    The constraints of the database decide. Afterwards this checks whether another user
    may still take the address back: the statement has waited for users who leave it.
    """
    try:
        yield
    except IntegrityError as exc:
        if not isinstance(exc.__cause__, UniqueViolation):
            raise
        constraint = exc.__cause__.diag.constraint_name or ""
        taken = UsernameTaken if "username" in constraint else AccountExists
        # Not chained: the driver's message quotes the address.
        raise taken from None
    if links.is_held(user.email_canonical, but=user.pk):
        raise AccountExists
