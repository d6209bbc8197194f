"""Sessions by cookie, CSRF and messages: for the admin's pages, and for no others. The
device cookie is for the account pages, too.

The API is asked with tokens and knows none of these. Django's checks look for the
classes in MIDDLEWARE, so these are theirs, passed by where they have nothing to do.
"""

from typing import Any

from django.contrib.auth import logout
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.core.exceptions import ValidationError
from django.db import DataError
from django.http import HttpRequest, HttpResponseBase
from django.middleware import csrf
from rest_framework.exceptions import APIException

from shared.auth import device_cookie
from users import errors
from users.factors import policy
from users.models import User

ADMIN = "/admin"
AMR = "amr"  # in a session: how the user has logged in (RFC 8176)
# What a field or the database says of text that no form has checked.
MALFORMED = (ValidationError, DataError)


class AdminOnlyMiddleware:
    """Mixed into a middleware: on other paths the next one is called at once."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(ADMIN):
            return super().__call__(request)  # type: ignore[misc]
        return self.get_response(request)


def remember_device(request: HttpRequest, user: User, *, trust: bool = False) -> None:
    """Have the answer set the device cookie for this user, who has just proved who they
    are. With `trust` it stands for a second factor from now on."""
    request.device_owner = user, trust  # type: ignore[attr-defined]


class AdminResponseMiddleware:
    """The device cookie of the admin and the account pages; and our errors there, as
    pages: Django's own views let them through, and would log them as bugs. So it is
    with what they do not check."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer: HttpResponseBase = self.get_response(request)
        if found := getattr(request, "device_owner", None):
            owner, trust = found
            text = device_cookie.read(request)
            device_cookie.write(answer, device_cookie.renew(text, owner, trust=trust))
        return answer

    def process_exception(self, request: HttpRequest, exc: Exception) -> Any:
        if isinstance(exc, APIException):
            return errors.refusal(request, exc)
        if request.path_info.startswith(ADMIN) and isinstance(exc, MALFORMED):
            return errors.bad_request(request, exc)
        return None


class SessionMiddleware(AdminOnlyMiddleware, sessions.SessionMiddleware):
    pass


class CsrfViewMiddleware(AdminOnlyMiddleware, csrf.CsrfViewMiddleware):
    def process_view(self, request: HttpRequest, *args: Any) -> Any:
        if request.path_info.startswith(ADMIN):
            return super().process_view(request, *args)
        return None


class AuthenticationMiddleware(AdminOnlyMiddleware, auth.AuthenticationMiddleware):
    def process_view(self, request: HttpRequest, *args: Any) -> None:
        """The caller, for the log, as for requests with a token. A session that was
        opened without a factor ends once one is required."""
        if request.path_info.startswith(ADMIN) and request.user.is_authenticated:
            request.caller = str(request.user.pk)  # type: ignore[attr-defined]
            if not policy.admits(request.user, request.session.get(AMR, ())):
                logout(request)


class MessageMiddleware(AdminOnlyMiddleware, messages.MessageMiddleware):
    pass
