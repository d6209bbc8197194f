"""Who may: permissions that views compose with `&` and `|`."""

from collections.abc import Callable
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from shared.auth.authentication import Service, TokenUser


class HasAPIKey(BasePermission):
    """A service of ours; `allowed_callers` on the view names which (default: any)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        callers = getattr(view, "allowed_callers", None)
        user = request.user
        return isinstance(user, Service) and (callers is None or user.name in callers)


def has_any_role(*roles: str) -> type[BasePermission]:
    """A permission: for users with one of these roles, as their access token says."""
    return role_permission("HasAnyRole", roles, frozenset(roles).intersection)


def has_all_roles(*roles: str) -> type[BasePermission]:
    """A permission: for users with every one of these roles."""
    return role_permission("HasAllRoles", roles, frozenset(roles).issubset)


def role_permission(
    name: str, roles: tuple[str, ...], suffices: Callable[[tuple[str, ...]], Any]
) -> type[BasePermission]:
    """The class; it refuses services, and users without roles.

    Raises ValueError without a role, since "all of none" is every user.
    """
    if not roles:
        raise ValueError(f"{name} needs a role.")

    def has_permission(self: BasePermission, request: Request, view: Any) -> bool:
        user = request.user
        return isinstance(user, TokenUser) and bool(suffices(user.roles))

    members = {"has_permission": has_permission, "__module__": __name__}
    return type(f"{name}({', '.join(roles)})", (BasePermission,), members)
