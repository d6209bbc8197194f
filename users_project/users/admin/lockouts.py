"""The page of a user's lockouts in the admin: which limits are reached, and lifting
them."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from redis.exceptions import RedisError

from shared.lockouts import Lockout, lockouts
from shared.structured_logging import audit
from users.admin.sessions import SessionAdmin
from users.lockouts import lift, subjects_of
from users.models import User

LIFTED = "Forgotten: %s may be tried again at once."
UNAVAILABLE = "Redis does not answer: nothing was changed."


class LockoutAdmin(SessionAdmin):
    """Counts are in Redis, which is asked every time."""

    def get_urls(self) -> list[URLPattern]:
        return [self.page_path("locks", self.locks_view), *super().get_urls()]

    def locks_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.user_of(request, object_id)
        if request.method == "POST":
            self.lift(request, user)
            return HttpResponseRedirect(request.path)
        found: list[Lockout] | None
        try:
            found = lockouts(subjects_of(str(user.pk)))
        except (RedisError, OSError):
            found = None
        return self.render_page(request, user, "locks", locks=found)

    def lift(self, request: HttpRequest, user: User) -> None:
        """Forget the counts, and record that, also if Redis is unavailable."""
        try:
            lift(str(user.pk), by="admin")
        except (RedisError, OSError):
            outcome = "unavailable"
            messages.error(request, UNAVAILABLE)
        else:
            outcome = "success"
            messages.success(request, LIFTED % user)
        ids = {"user_id": str(user.pk), "by": str(request.user.pk)}
        audit("user_lift_lock", **ids, outcome=outcome)
        self.log_change(request, user, f"Lifted locks: {outcome}.")
