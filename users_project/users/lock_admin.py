"""The page of a user's locks in the admin: who has to wait with a password, and lifting
it. Log-ins are counted by the Auth Service, those of the admin and changes of the
password here."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from redis.exceptions import RedisError

from shared.clients import auth_client
from shared.exceptions import Unavailable
from shared.limits import locks
from shared.log import audit
from users.models import User
from users.session_admin import SessionAdmin

LIFTED = "Forgotten: %s may be tried again at once."
NOT_ALL = "Not everything could be forgotten: a part of the system does not answer."


class LockAdmin(SessionAdmin):
    """Locks are counts in Redis, which are asked for every time."""

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<path:object_id>/locks/",
            self.admin_site.admin_view(self.locks_view),
            name="users_user_locks",
        )
        return [page, *super().get_urls()]

    def locks_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Shown to who may see the user; lifted by who may touch them."""
        user = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, user):
            raise PermissionDenied
        if user is None:
            raise Http404
        if request.method != "POST":
            return self.locks_page(request, user)
        if not self.may_touch(request, user):
            raise PermissionDenied
        self.lift(request, user)
        return HttpResponseRedirect(request.path)

    def locks_page(self, request: HttpRequest, user: User) -> HttpResponse:
        """503 where it cannot be known: no list is not an empty one."""
        found: list[Any] | None
        try:
            found, status = [*auth_client().locks(names(user)), *own(user)], 200
        except (Unavailable, RedisError, OSError):
            found, status = None, 503
        context = {
            **self.admin_site.each_context(request),
            "title": f"Locks: {user}",
            "opts": self.opts,
            "original": user,
            "locks": found,
            "may_lift": self.may_touch(request, user),
        }
        request.current_app = self.admin_site.name
        template = "admin/users/user/locks.html"
        return TemplateResponse(request, template, context, status=status)

    def lift(self, request: HttpRequest, user: User) -> None:
        """Both halves, also where one fails; recorded either way."""
        outcome = "success"
        for half in (lift_at_auth, lift_here):
            try:
                half(user)
            except (Unavailable, RedisError, OSError):
                outcome = "incomplete"
        ids = {"user_id": str(user.pk), "by": str(request.user.pk)}
        audit("user_lift_lock", **ids, outcome=outcome)
        self.log_change(request, user, f"Lifted locks: {outcome}.")
        if outcome == "success":
            messages.success(request, LIFTED % user)
        else:
            messages.error(request, NOT_ALL)


def names(user: User) -> tuple[str, str]:
    return user.email, user.username


def own(user: User) -> list[dict[str, Any]]:
    subjects = (*names(user), str(user.pk))
    return [lock._asdict() for subject in subjects for lock in locks.locks(subject)]


def lift_at_auth(user: User) -> None:
    auth_client().lift_locks(names(user))


def lift_here(user: User) -> None:
    for subject in (*names(user), str(user.pk)):
        locks.lift(subject, by="admin")
