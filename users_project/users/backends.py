"""Log-in to the admin, by e-mail address."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from users import credentials
from users.models import User


class EmailBackend(ModelBackend):
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The user with this address (`username` is what Django's forms call it)."""
        email = kwargs.get("email", username)
        if email is None or password is None:
            return None
        return credentials.check(password, email=email)

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Asked for every request of a session: it ends with the user's presence."""
        return isinstance(user, User) and user.is_present
