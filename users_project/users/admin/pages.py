"""The admin's own pages about one user: their sessions, and their lockouts. Sessions
live in the Auth Service and counts in Redis, which are asked every time."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from redis.exceptions import RedisError

from shared.api.exceptions import Unavailable
from shared.clients import auth_client
from shared.lockouts import lockouts
from shared.structured_logging import audit
from users.admin.actions import UserActions
from users.lockouts import lift, names_of
from users.models import User

ENDED = "The session has ended."
HAD_ENDED = "There was no such session any more: nothing was done."
UNKNOWN = (
    "The Auth Service did not answer: it is not known whether the session has ended. "
    "Look whether it is still listed."
)
LIFTED = "Forgotten: %s may be tried again at once."
UNAVAILABLE = "Redis does not answer: nothing was changed."


class UserPages(UserActions):
    def get_urls(self) -> list[URLPattern]:
        """The routes of the pages, next to the user's own."""
        pages = {"sessions": self.sessions_view, "locks": self.locks_view}
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"users_user_{name}",
            )
            for name, view in pages.items()
        ]
        return [*own, *super().get_urls()]

    def sessions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.user_of(request, object_id)
        if request.method == "POST":
            self.end_chosen_session(request, user)
            return HttpResponseRedirect(request.path)
        return self.render_page(request, user, "sessions", auth_client().sessions)

    def locks_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.user_of(request, object_id)
        if request.method == "POST":
            self.lift_lockouts(request, user)
            return HttpResponseRedirect(request.path)
        return self.render_page(
            request, user, "locks", lambda user_id: lockouts(names_of(user))
        )

    def render_page(
        self,
        request: HttpRequest,
        user: User,
        name: str,
        find: Callable[[UUID], Any],
    ) -> HttpResponse:
        """The template of that name with what is found; 503 if it could not be known:
        no list is not an empty one."""
        try:
            found, status = find(user.pk), 200
        except (Unavailable, RedisError, OSError):
            found, status = None, 503
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": f"{name.capitalize()}: {user}",
            "opts": self.opts,
            "original": user,
            "can_modify": self.can_modify(request, user),
            name: found,
        }
        template = f"admin/users/user/{name}.html"
        return TemplateResponse(request, template, context, status=status)

    def user_of(self, request: HttpRequest, object_id: str) -> User:
        """The user of the page. Raises PermissionDenied for callers who may not see
        them, or send a form and may not change them; Http404."""
        user: User | None = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, user):
            raise PermissionDenied
        if user is None:
            raise Http404
        if request.method == "POST" and not self.can_modify(request, user):
            raise PermissionDenied
        return user

    def end_chosen_session(self, request: HttpRequest, user: User) -> None:
        """Raises BadRequest where none is named."""
        try:
            sid = UUID(request.POST.get("session", ""))
        except ValueError as exc:
            raise BadRequest("no session is named") from exc
        self.end_session(request, user, sid)

    def end_session(self, request: HttpRequest, user: User, sid: UUID) -> None:
        """Have one session ended, and record it, also if no answer came."""
        outcome, answer = "success", ""
        try:
            if not auth_client().revoke_session(user.pk, sid):
                messages.warning(request, HAD_ENDED)
                return
            messages.success(request, ENDED)
        except Unavailable:
            outcome, answer = "unknown", ": no answer, outcome unknown"
            messages.error(request, UNKNOWN)
        ids: dict[str, Any] = {"user_id": str(user.pk), "sid": str(sid)}
        audit("user_end_session", **ids, by=str(request.user.pk), outcome=outcome)
        self.log_change(request, user, f"Ended session {sid}{answer}.")

    def lift_lockouts(self, request: HttpRequest, user: User) -> None:
        """Forget the counts, and record that, also if Redis is unavailable."""
        try:
            lift(str(user.pk), names_of(user), by="admin")
        except (RedisError, OSError):
            outcome = "unavailable"
            messages.error(request, UNAVAILABLE)
        else:
            outcome = "success"
            messages.success(request, LIFTED % user)
        ids = {"user_id": str(user.pk), "by": str(request.user.pk)}
        audit("user_lift_lock", **ids, outcome=outcome)
        self.log_change(request, user, f"Lifted locks: {outcome}.")
