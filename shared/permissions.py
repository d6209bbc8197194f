"""Who may: permissions that views compose."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from shared.authentication import Service


class HasAPIKey(BasePermission):
    """A service of ours; `allowed_callers` on the view names which (default: any)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        callers = getattr(view, "allowed_callers", None)
        user = request.user
        return isinstance(user, Service) and (callers is None or user.name in callers)
