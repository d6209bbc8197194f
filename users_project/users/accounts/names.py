"""The names of a user, which are theirs alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError
from psycopg.errors import UniqueViolation

from shared.api.exceptions import AccountExists, UsernameTaken
from users.accounts import links
from users.models import User


@contextmanager
def unique_names(user: User) -> Iterator[None]:
    """Around the statement that writes them, in a transaction that ends if this raises:
    AccountExists for the address, UsernameTaken.

    The database's word alone decides. Whether another user may still take the address
    back is asked afterwards: the statement has waited for those who move from it.
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
