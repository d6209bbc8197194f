"""Whose password is it? The one check behind the API and the admin's log-in."""

from uuid import UUID

from shared.limits import acts, attempts
from users.models import User


def check(
    password: str, *, email: str | None = None, username: str | None = None
) -> User | None:
    """The present user who has this name (the e-mail wins) and this password, with
    roles, or None. Raises Overloaded.

    Wrong and unknown, inactive and deleted take the same work (PWD-06): one hash with
    the current costs.
    """
    user = User.objects.find_called(email=email, username=username)
    if user is None:
        User().set_password(password)
        return None
    right = user.check_password(password)
    return user if right and user.is_present else None


def change(
    user: User, *, current: str, new: str, keep_sid: UUID, address: str | None
) -> bool:
    """Whether `current` is the user's password; then `new` is it, and of the sessions
    only `keep_sid` goes on. Raises RateLimited or Overloaded, with nothing changed.

    One hash where it is wrong, two where it is right.
    """
    return prove(user, current, address) and user.change_password(new, keep_sid)


def prove(user: User, current: str, address: str | None) -> bool:
    """Whether `current` is the password of somebody who is logged in: whoever has taken
    their session must not guess it. Raises RateLimited or Overloaded."""
    with attempts.reserve(acts.change_password(user.pk, address)) as attempt:
        right = user.check_password(current)
    if right:
        attempt.settle(success=True)
    else:
        attempt.failed()
    return right
