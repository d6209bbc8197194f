"""The column that says whether a user can log in, and why not."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from redis.exceptions import RedisError

from users.lockouts import locked
from users.models import User

NOT_KNOWN = "Redis does not answer: whether users are locked is not known."


class StatusColumn(admin.ModelAdmin):
    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With `is_locked` of each user of the page, by one question to Redis."""
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

    @admin.display
    def status(self, user: User) -> str:
        """The first of these that holds."""
        if user.is_erased:
            return "erased"
        if user.is_deleted:
            return "deleted"
        if not user.is_active:
            return "inactive"
        return "locked" if getattr(user, "is_locked", False) else "active"
