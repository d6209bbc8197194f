"""The admin's pages about one user: events, sessions and lockouts, and the buttons that
mail a link. Each page view asks the Auth Service for sessions and logins, or Redis for
counts."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from redis.exceptions import RedisError

from shared.api.exceptions import Unavailable
from shared.clients import auth_client
from shared.events.pages import ReportedQuerySerializer
from shared.limits.lockouts import lockouts
from users.accounts import links
from users.accounts.models import AddressRequest
from users.accounts.requests import send_link
from users.admin.actions import UserActions
from users.admin.step_up import recent_login_required
from users.events import history
from users.events.log import record
from users.limits.lockouts import names_of, reset_lockouts
from users.models import User

ENDED = "The session has ended."
HAD_ENDED = "There was no such session any more: nothing was done."
UNKNOWN = (
    "The Auth Service did not answer: it is not known whether the session has ended. "
    "Look whether it is still listed."
)
LIFTED = "Forgotten: %s may be tried again at once."
UNAVAILABLE = "Redis does not answer: nothing was changed."
MAILS = {
    AddressRequest.Kind.RESET: "Send reset mail",
    AddressRequest.Kind.RESEND: "Resend verification",
}
SENT = "A mail with a link goes to %s."


def mails_for(user: User) -> dict[str, str]:
    """The mail buttons of this user. A user who may not log in gets no mail, and a
    verified user no mail that verifies the address."""
    if not settings.MAIL_ENABLED or not user.is_present:
        return {}
    kinds = list(MAILS)[: 1 if user.email_verified else 2]
    return {kind.value: MAILS[kind] for kind in kinds}


def events_page(
    user_id: UUID, event: str, before: datetime | None = None
) -> dict[str, Any]:
    """A page of events. The first page without a filter also has the last login. Raises
    Unavailable."""
    is_first = not event and before is None
    return {
        "page": history.events_of(user_id, before, event),
        "last_login": history.last_login(user_id) if is_first else None,
        "filter": event,
        "before": before,
    }


class UserPages(UserActions):
    @method_decorator(recent_login_required)
    def sessions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.user_of(request, object_id)
        if request.method == "POST":
            self.end_chosen_session(request, user)
            return HttpResponseRedirect(request.path)
        return self.render_page(request, user, "sessions", auth_client().sessions)

    def events_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.user_of(request, object_id)
        query = ReportedQuerySerializer(data=request.GET.dict())
        if not query.is_valid():
            raise BadRequest("no such page of events")
        return self.render_page(
            request, user, "events", partial(events_page, **query.validated_data)
        )

    def locks_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.user_of(request, object_id)
        if request.method == "POST":
            self.lift_lockouts(request, user)
            return HttpResponseRedirect(request.path)
        return self.render_page(
            request, user, "locks", lambda user_id: lockouts(names_of(user))
        )

    def mail_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Mail the link, and record it. Raises BadRequest if the user has no button for
        this kind of mail."""
        user, kind = self.user_of(request, object_id), request.POST.get("kind", "")
        if kind not in mails_for(user):
            raise BadRequest("no such mail")
        with transaction.atomic():
            send_link(AddressRequest.Kind(kind), user)
            text = f"Mailed a link: {kind}."
            self.log_event(request, user, "user_mail_link", text, kind=kind)
        messages.success(request, SENT % user)
        return redirect("admin:users_user_change", user.pk)

    def render_page(
        self,
        request: HttpRequest,
        user: User,
        name: str,
        find: Callable[[UUID], Any],
    ) -> HttpResponse:
        """Render the template `name` with the result of `find`. The status is 503 if a
        dependency is unavailable: then the page does not show an empty list."""
        try:
            found, status = find(user.pk), 200
        except (Unavailable, RedisError, OSError):
            found, status = None, 503
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
        """The user of the page. Raises Http404. Raises PermissionDenied if the caller
        may not view the user, or sends a form and may not change the user."""
        user: User | None = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, user):
            raise PermissionDenied
        if user is None:
            raise Http404
        if request.method == "POST" and not self.can_modify(request, user):
            raise PermissionDenied
        return user

    def end_chosen_session(self, request: HttpRequest, user: User) -> None:
        """End the session that the form names. Raises BadRequest if it names none."""
        try:
            sid = UUID(request.POST.get("session", ""))
        except ValueError as exc:
            raise BadRequest("no session is named") from exc
        self.end_session(request, user, sid)

    def end_session(self, request: HttpRequest, user: User, sid: UUID) -> None:
        """End one session, and record it, even if the Auth Service does not answer."""
        outcome, answer = "success", ""
        try:
            if not auth_client().revoke_session(user.pk, sid):
                messages.warning(request, HAD_ENDED)
                return
            messages.success(request, ENDED)
        except Unavailable:
            outcome, answer = "unknown", ": no answer, outcome unknown"
            messages.error(request, UNKNOWN)
        text, what = f"Ended session {sid}{answer}.", {"sid": str(sid)}
        self.log_event(request, user, "user_end_session", text, outcome=outcome, **what)

    def lift_lockouts(self, request: HttpRequest, user: User) -> None:
        """Reset the counts, and record it, even if Redis is unavailable."""
        try:
            reset_lockouts(str(user.pk), names_of(user), by="admin", user=user)
        except (RedisError, OSError):
            outcome = "unavailable"
            messages.error(request, UNAVAILABLE)
        else:
            outcome = "success"
            messages.success(request, LIFTED % user)
        text = f"Lifted locks: {outcome}."
        self.log_event(request, user, "user_lift_lock", text, outcome=outcome)

    @transaction.atomic
    def log_event(
        self, request: HttpRequest, user: User, event: str, text: str, **fields: Any
    ) -> None:
        """Record the event, and add `text` to Django's history of the user. Read the
        row again, locked: the history must not name a user who was just erased."""
        record(event, user.pk, by=str(request.user.pk), **fields)
        self.log_change(request, links.lock(user.pk), text)
