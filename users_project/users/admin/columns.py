"""The columns of the list of users that the table of users does not have."""

from datetime import date, datetime
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from redis.exceptions import RedisError

from users.limits.lockouts import locked
from users.models import LAST_LOGIN, User

NOT_KNOWN = "Redis does not answer: whether users are locked is not known."


class UserColumns(admin.ModelAdmin):
    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Set `is_locked` of each user of the page, with one request to Redis."""
        changelist = super().get_changelist_instance(request)
        if request.method == "GET":
            self.mark_locked(request, changelist.result_list)
        return changelist

    def mark_locked(self, request: HttpRequest, users: Any) -> None:
        try:
            found = locked(users)
        except (RedisError, OSError):
            messages.warning(request, NOT_KNOWN)
            return
        for user in users:
            user.is_locked = user.pk in found

    @admin.display(ordering="created_at")
    def created(self, user: User) -> date:
        return user.created_at.date()

    @admin.display(description="last login", ordering=LAST_LOGIN.asc(nulls_first=True))
    def last_seen(self, user: User) -> datetime | None:
        return user.last_login

    @admin.display(description="roles")
    def role_names(self, user: User) -> str:
        return ", ".join(user.roles)

    @admin.display
    def status(self, user: User) -> str:
        """The first state that applies. `locked`: unknown devices cannot log in now."""
        if user.is_erased:
            return "erased"
        if user.is_deleted:
            return "deleted"
        if not user.is_active:
            return "inactive"
        return "locked" if getattr(user, "is_locked", False) else "active"
