"""Whose password is it? The one check behind the API and the admin's log-in."""

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
