"""The page of a user's sessions in the admin: seen, ended one by one, or all."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern

from shared.api.exceptions import Unavailable
from shared.clients import auth_client
from shared.structured_logging import audit
from users.admin.forms import SessionForm
from users.admin.user_admin_views import UserAdminViews
from users.models import User

ENDED = "The session has ended."
HAD_ENDED = "There was no such session any more: nothing was done."
UNKNOWN = (
    "The Auth Service did not answer: it is not known whether the session has ended. "
    "Look whether it is still listed."
)


class SessionAdmin(UserAdminViews):
    """Sessions live in the Auth Service, which is asked for them every time."""

    def get_urls(self) -> list[URLPattern]:
        return [self.page_path("sessions", self.sessions_view), *super().get_urls()]

    def sessions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What is sent comes to the same address: after a login in between, Django
        leads back here with a GET, which ends nothing."""
        user = self.user_of(request, object_id)
        if request.method == "POST":
            self.end_what_was_chosen(request, user)
            return HttpResponseRedirect(request.path)
        found: list[Any] | None
        try:
            found = auth_client().sessions(user.pk)
        except Unavailable:
            found = None
        return self.render_page(request, user, "sessions", sessions=found)

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
