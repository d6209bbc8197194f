"""Permissions that views compose with `&` and `|`."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from shared.api.exceptions import InsufficientUserAuthentication
from shared.auth.authentication import Service, TokenUser

RECENT = 300  # seconds since the login, for actions that a stolen token must not reach
LEVELS = ("aal1", "aal2")  # NIST SP 800-63B: a password; a second factor as well
METRICS = "metrics"  # the caller name of Prometheus; its key allows nothing else


class HasAPIKey(BasePermission):
    """Allows our services: those in the view's `allowed_callers`, by default all but
    the one that reads metrics."""

    def has_permission(self, request: Request, view: Any) -> bool:
        callers = getattr(view, "allowed_callers", None)
        user = request.user
        if callers is None:
            return isinstance(user, Service) and user.name != METRICS
        return isinstance(user, Service) and user.name in callers


def require_authentication(
    user: TokenUser, *, acr: str = "", max_age: int | None = None
) -> bool:
    """True. Raises InsufficientUserAuthentication if the session's level is below
    `acr`, or its last login or step-up is more than `max_age` seconds ago. A refresh
    does not count."""
    too_old = max_age is not None and time.time() - user.auth_time > max_age
    if too_old or (acr and user.acr not in LEVELS[LEVELS.index(acr) :]):
        raise InsufficientUserAuthentication(acr, max_age)
    return True


def permission(name: str, allows: Callable[[TokenUser], bool]) -> type[BasePermission]:
    """A permission for users for whom `allows` is true; it may raise an error too."""

    def has_permission(self: BasePermission, request: Request, view: Any) -> bool:
        return isinstance(request.user, TokenUser) and allows(request.user)

    members = {"has_permission": has_permission, "__module__": __name__}
    return type(name, (BasePermission,), members)


def has_acr(acr: str) -> type[BasePermission]:
    """A permission for sessions of this level ("aal2") or a higher one."""
    return permission(f"HasACR({acr})", partial(require_authentication, acr=acr))


def logged_in_within(seconds: int) -> type[BasePermission]:
    """A permission for users who logged in or stepped up in the last `seconds`."""
    name = f"LoggedInWithin({seconds})"
    return permission(name, partial(require_authentication, max_age=seconds))


def has_any_role(*roles: str) -> type[BasePermission]:
    """A permission for users whose access token has one of these roles.

    For all of several roles: `has_any_role("a") & has_any_role("b")`.
    """
    name = f"HasAnyRole({', '.join(roles)})"
    return permission(name, lambda user: not {*roles}.isdisjoint(user.roles))
