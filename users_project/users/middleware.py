"""Cookie sessions, CSRF tokens and messages, for the admin's pages only. The device
cookie is for the account pages, too.

The API uses tokens, and none of these. Django's checks look for Django's classes in
MIDDLEWARE, so these are subclasses, which all other paths skip.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import BadRequest, ValidationError
from django.db import DataError, OperationalError
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.middleware import csrf
from rest_framework.exceptions import APIException, MethodNotAllowed

from shared.auth import device_cookie
from users import errors
from users.factors import policy
from users.models import User

ADMIN = "/admin"
AMR = "amr"  # in a session: how the user has logged in (RFC 8176)
# Errors of a field or of the database for text that no form has checked.
MALFORMED = (ValidationError, DataError)


class AdminOnlyMiddleware:
    """Mixin for a middleware. Paths outside the admin skip it."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(ADMIN):
            return super().__call__(request)  # type: ignore[misc]
        return self.get_response(request)


def remember_device(request: HttpRequest, user: User, *, trust: bool = False) -> None:
    """Have the response set the device cookie of this user, who has just authenticated.
    With `trust` it stands for a second factor from now on."""
    request.device_owner = user, trust  # type: ignore[attr-defined]


class AdminResponseMiddleware:
    """Sets the device cookie of the admin and the account pages, and answers our errors
    there with pages: Django would log them as bugs, and a 405 of its own is empty. In
    the admin, input that Django's views do not check is a 400."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer: HttpResponseBase = self.get_response(request)
        if isinstance(answer, HttpResponseNotAllowed):
            refused = errors.refusal(request, MethodNotAllowed(request.method or ""))
            refused["Allow"] = answer["Allow"]
            return refused
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
    def process_request(self, request: HttpRequest) -> None:
        """Take a key that Django cannot have made for none: PostgreSQL refuses some.
        Raises BadRequest if the cookie was sent twice: a sibling domain can set one of
        the same name, and only that would stay if the response deleted one (COOK-08).
        """
        pairs = request.META.get("HTTP_COOKIE", "").split(";")
        names = [pair.partition("=")[0].strip(" \t") for pair in pairs]
        if names.count(settings.SESSION_COOKIE_NAME) > 1:
            raise BadRequest("the session cookie was sent twice")
        super().process_request(request)
        if not (request.session.session_key or "none").isalnum():
            request.session = self.SessionStore()

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Store the session. Django takes each error of the database for a session that
        was deleted. Raises OperationalError if the database was unavailable."""
        try:
            return super().process_response(request, response)
        except SessionInterrupted as exc:
            cause = getattr(exc.__context__, "__context__", None)  # of its UpdateError
            if isinstance(cause, OperationalError):
                raise cause from None
            raise


class CsrfViewMiddleware(AdminOnlyMiddleware, csrf.CsrfViewMiddleware):
    def process_view(self, request: HttpRequest, *args: Any) -> Any:
        if request.path_info.startswith(ADMIN):
            return super().process_view(request, *args)
        return None


class AuthenticationMiddleware(AdminOnlyMiddleware, auth.AuthenticationMiddleware):
    def process_view(self, request: HttpRequest, *args: Any) -> None:
        """Set the caller for the log, as for requests with a token. End a session that
        was opened without a factor once one is required."""
        if request.path_info.startswith(ADMIN) and request.user.is_authenticated:
            request.caller = str(request.user.pk)  # type: ignore[attr-defined]
            if not policy.admits(request.user, request.session.get(AMR, ())):
                logout(request)


class MessageMiddleware(AdminOnlyMiddleware, messages.MessageMiddleware):
    pass
