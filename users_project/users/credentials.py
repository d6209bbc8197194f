"""Whose password is it? The one check behind the API and the admin's log-in."""

from users.managers import UserQuerySet
from users.models import User


def check(users: UserQuerySet, password: str) -> User | None:
    """The present user among `users` (one at most) whose password this is, with roles.

    Wrong and unknown, inactive and deleted take the same work (PWD-06): one hash with
    the current costs. Raises Overloaded.
    """
    user = users.with_roles().find()
    if user is None:
        User().set_password(password)
        return None
    right = user.check_password(password)
    return user if right and user.is_present else None
