"""Login to the admin, by e-mail address."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from shared.metrics import logins_total
from users.limits.guess_limits import Client, client_of
from users.models import User
from users.passwords import credentials


class EmailBackend(ModelBackend):
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The user with this address (`username` in Django's forms) and password. The
        login may need a second factor, too: `users.admin.login` completes it.

        Raises RateLimited, Overloaded.
        """
        email = kwargs.get("email", username)
        if email is None or password is None:
            return None
        client = client_of(request) if request else Client()
        user = credentials.authenticate(password, client, email=email, site="admin")
        if user is None:
            logins_total.labels("invalid", "admin").inc()
        return user

    def get_user(self, user_id: Any) -> User | None:
        """The present user of a session, with roles for the policy, or None."""
        user = User.objects.with_roles().filter(pk=user_id).first()
        return user if self.user_can_authenticate(user) else None

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Whether the user is present. Asked at every request of a session."""
        return isinstance(user, User) and user.is_present
