"""Permissions that views compose with `&` and `|`."""

import time
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from shared.api.exceptions import InsufficientUserAuthentication
from shared.auth.authentication import Service, TokenUser

RECENT = 300  # seconds; the error names them as `max_age`
METRICS = "metrics"  # the caller whose key Prometheus has, for nothing else


class HasAPIKey(BasePermission):
    """A service of ours; `allowed_callers` on the view names which (default: all but
    the one that reads metrics)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        callers = getattr(view, "allowed_callers", None)
        user = request.user
        if callers is None:
            return isinstance(user, Service) and user.name != METRICS
        return isinstance(user, Service) and user.name in callers


def require_recent_login(user: TokenUser) -> None:
    """Raise InsufficientUserAuthentication where the login is over five minutes ago. A
    refresh makes it no newer."""
    if time.time() - user.auth_time > RECENT:
        raise InsufficientUserAuthentication


class HasRecentLogin(BasePermission):
    """A user who has logged in within the last five minutes."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.user, TokenUser):
            require_recent_login(request.user)
            return True
        return False


def has_any_role(*roles: str) -> type[BasePermission]:
    """A permission: for users with one of these roles, as their access token says.

    For all of several roles: `has_any_role("a") & has_any_role("b")`.
    """
    wanted = frozenset(roles)

    def has_permission(self: BasePermission, request: Request, view: Any) -> bool:
        user = request.user
        return isinstance(user, TokenUser) and not wanted.isdisjoint(user.roles)

    members = {"has_permission": has_permission, "__module__": __name__}
    return type(f"HasAnyRole({', '.join(roles)})", (BasePermission,), members)
