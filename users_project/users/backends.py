"""Log-in to the admin, by e-mail address."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from shared.api.client_ip import client_address
from shared.limits import acts, attempts
from shared.structured_logging import audit
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
        """The user with this address (`username` is what Django's forms call it).

        Raises RateLimited, Overloaded.
        """
        email = kwargs.get("email", username)
        if email is None or password is None:
            return None
        address = client_address(request) if request else None
        act = acts.log_in(email, address, site="admin")
        with attempts.reserve(act) as attempt:
            user = credentials.check(password, email=email)
        # Refused like a wrong password, and counted like one: else the limit would tell
        # the passwords of people who have no business here.
        user = user if user and user.is_staff else None
        event = "authn_login_success" if user else "authn_login_fail"
        audit(event, **act.story, user_id=user and str(user.pk))
        if user is None:
            attempt.failed()
        else:
            names = (user.email, user.username)
            attempt.settle(acts.remember(names, address), success=True)
        return user

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Asked for every request of a session: it ends with the user's presence."""
        return isinstance(user, User) and user.is_present
