"""The page of a user's locks in the admin: who has to wait with a password, and lifting
it. Log-ins are counted by the Auth Service, those of the admin and changes of the
password here."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from redis.exceptions import RedisError

from shared.api.exceptions import Unavailable
from shared.clients import auth_client
from shared.limits import locks
from shared.structured_logging import audit
from users.admin.sessions import SessionAdmin
from users.models import User

LIFTED = "Forgotten: %s may be tried again at once."
NOT_ALL = "Not everything could be forgotten: a part of the system does not answer."


class LockAdmin(SessionAdmin):
    """Locks are counts in Redis, which are asked for every time."""

    def get_urls(self) -> list[URLPattern]:
        return [self.page_path("locks", self.locks_view), *super().get_urls()]

    def locks_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.user_of(request, object_id)
        if request.method == "POST":
            self.lift(request, user)
            return HttpResponseRedirect(request.path)
        found: list[Any] | None
        try:
            found = [*auth_client().locks(names(user)), *own(user)]
        except (Unavailable, RedisError, OSError):
            found = None
        return self.user_page(request, user, "locks", locks=found)

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
