"""What the admin can do to the users that are ticked in its list."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import ngettext

from shared.structured_logging import audit
from users.models import User

KEEPS_NAMES = "Delete: keeps e-mail and username"


def action(method: Any, done: str, description: str, permission: str = "change") -> Any:
    """An action of the list. It calls a method of the user, so that sessions end as
    they should."""

    def run(self: "UserActions", request: HttpRequest, users: QuerySet[User]) -> None:
        self.act(request, users, method, done)

    run.__name__ = method.__name__
    return admin.action(run, description=description, permissions=[permission])


class UserActions(admin.ModelAdmin):
    actions = (
        action(User.deactivate, "deactivated", "Deactivate: no login"),
        action(User.activate, "activated", "Activate"),
        action(User.soft_delete, "deleted", KEEPS_NAMES, "soft_delete"),
        action(User.restore, "restored", "Restore deleted", "soft_delete"),
        action(User.end_sessions, "logged out everywhere", "Log out everywhere"),
    )

    def has_soft_delete_permission(self, request: HttpRequest) -> bool:
        """Django's own right to delete; here deleting keeps the row."""
        return bool(request.user.has_perm("users.delete_user"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No row is deleted here: tokens and logs still name the user."""
        return False

    def act(
        self, request: HttpRequest, users: QuerySet[User], method: Any, done: str
    ) -> None:
        """Do it to all users that may be changed; name the others."""
        touched = 0
        for user in users:
            if not self.can_modify(request, user):
                messages.warning(request, f"{user}: not yours to change.")
                continue
            self.apply(request, user, method, done)
            touched += 1
        text = ngettext("%d user %s.", "%d users %s.", touched)
        if touched:
            messages.success(request, text % (touched, done))

    def apply(self, request: HttpRequest, user: User, method: Any, done: str) -> None:
        """Do it to one, with a line in their history and one in the audit log."""
        with transaction.atomic():
            method(user)
            self.log_change(request, user, done.capitalize())
        audit(f"user_{method.__name__}", user_id=str(user.pk), by=str(request.user.pk))

    def can_modify(self, request: HttpRequest, user: User) -> bool:
        """Not oneself, which locks out; nor a superuser, but by another."""
        return user != request.user and self.has_change_permission(request, user)
