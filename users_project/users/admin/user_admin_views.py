"""What the admin's own pages about one user have in common: who may see them, who may
change what is on them, and how they are shown."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from users.admin.actions import UserActions
from users.models import User


class UserAdminViews(UserActions):
    def page_path(self, name: str, view: Callable[..., HttpResponse]) -> URLPattern:
        """The route of a page, next to the user's own."""
        guarded = self.admin_site.admin_view(view)
        return path(f"<path:object_id>/{name}/", guarded, name=f"users_user_{name}")

    def user_of(self, request: HttpRequest, object_id: str) -> User:
        """The user whose page is asked for: shown to who may see them, and sent to by
        who may touch them. Raises PermissionDenied, Http404."""
        user = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, user):
            raise PermissionDenied
        if user is None:
            raise Http404
        if request.method == "POST" and not self.can_modify(request, user):
            raise PermissionDenied
        found: User = user
        return found

    def render_page(
        self, request: HttpRequest, user: User, name: str, **context: Any
    ) -> HttpResponse:
        """The template of that name with what it shows; 503 where that is None, since
        it could not be known: no list is not an empty one."""
        request.current_app = self.admin_site.name
        status = 503 if context[name] is None else 200
        context |= {
            **self.admin_site.each_context(request),
            "title": f"{name.capitalize()}: {user}",
            "opts": self.opts,
            "original": user,
            "can_modify": self.can_modify(request, user),
        }
        template = f"admin/users/user/{name}.html"
        return TemplateResponse(request, template, context, status=status)
