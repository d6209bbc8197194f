"""Login to the admin, by e-mail address."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from shared.api.client_ip import client_address, user_agent
from shared.auth import device_cookie
from shared.metrics import logins_total
from users import credentials
from users.events.log import record
from users.guess_limits import Client
from users.middleware import remember_device
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
        client = Client()
        if request:
            device = device_cookie.read(request)
            client = Client(client_address(request), user_agent(request), device)
        user = credentials.authenticate(password, client, email=email, site="admin")
        logins_total.labels("success" if user else "invalid", "admin").inc()
        if user is not None:
            record("authn_login_success", user.pk, site="admin", ip=client.ip)
            remember_device(request, user)
        return user

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Asked for every request of a session: it ends with the user's presence."""
        return isinstance(user, User) and user.is_present
