"""The page of a user's sessions in the admin: seen, ended one by one, or all."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from shared.clients import auth_client
from shared.exceptions import Unavailable
from shared.log import audit
from users.actions import UserActions
from users.forms import SessionForm
from users.models import User

ENDED = "The session has ended."
HAD_ENDED = "There was no such session any more: nothing was done."
UNKNOWN = (
    "The Auth Service did not answer: it is not known whether the session has ended. "
    "Look whether it is still listed."
)


class SessionAdmin(UserActions):
    """Sessions live in the Auth Service, which is asked for them every time."""

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<path:object_id>/sessions/",
            self.admin_site.admin_view(self.sessions_view),
            name="users_user_sessions",
        )
        return [page, *super().get_urls()]

    def sessions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Shown to who may see the user. What is sent comes to the same address: after
        a log-in in between, Django leads back here with a GET, which ends nothing."""
        user = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, user):
            raise PermissionDenied
        if user is None:
            raise Http404
        if request.method != "POST":
            return self.sessions_page(request, user)
        if not self.may_touch(request, user):
            raise PermissionDenied
        self.end_what_was_chosen(request, user)
        return HttpResponseRedirect(request.path)

    def sessions_page(self, request: HttpRequest, user: User) -> HttpResponse:
        """503 without the Auth Service: no list is not an empty one."""
        try:
            sessions, status = auth_client().sessions(user.pk), 200
        except Unavailable:
            sessions, status = None, 503
        context = {
            **self.admin_site.each_context(request),
            "title": f"Sessions: {user}",
            "opts": self.opts,
            "original": user,
            "sessions": sessions,
            "may_end": self.may_touch(request, user),
        }
        request.current_app = self.admin_site.name
        template = "admin/users/user/sessions.html"
        return TemplateResponse(request, template, context, status=status)

    def end_what_was_chosen(self, request: HttpRequest, user: User) -> None:
        """One session or, where that button was pressed, all. Raises BadRequest."""
        if "everywhere" in request.POST:
            self.apply(request, user, User.end_sessions, "logged out everywhere")
            messages.success(request, f"Logged out everywhere: {user}.")
            return
        form = SessionForm(request.POST)
        if not form.is_valid():
            raise BadRequest("no session is named")
        self.end_one(request, user, form.cleaned_data["session"])

    def end_one(self, request: HttpRequest, user: User, sid: UUID) -> None:
        """Have one session ended, and record it, also where no answer came."""
        try:
            ended = auth_client().revoke_session(user.pk, sid)
        except Unavailable:
            self.record(request, user, sid, "unknown")
            messages.error(request, UNKNOWN)
            return
        if ended:
            self.record(request, user, sid, "success")
            messages.success(request, ENDED)
        else:
            messages.warning(request, HAD_ENDED)

    def record(self, request: HttpRequest, user: User, sid: UUID, outcome: str) -> None:
        """In the user's history and in the audit log."""
        ids: dict[str, Any] = {"user_id": str(user.pk), "sid": str(sid)}
        audit("user_end_session", **ids, by=str(request.user.pk), outcome=outcome)
        answer = "" if outcome == "success" else ": no answer, outcome unknown"
        self.log_change(request, user, f"Ended session {sid}{answer}.")
