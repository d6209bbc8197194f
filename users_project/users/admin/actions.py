"""The admin's actions on the users selected in its list, or on the user of a page. They
show a confirmation page, then call `users.bulk`."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.views import redirect_to_login
from django.db.models import QuerySet
from django.forms import BooleanField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import reverse

from users import bulk
from users.admin.step_up import is_recent
from users.bulk.changes import CHANGES, DELETE, Change, modifiable
from users.models import User
from users.validators import as_id

BUTTONS = {
    "deactivate": "Deactivate",
    "activate": "Activate",
    "soft_delete": "Delete",
    "restore": "Restore",
    "end_sessions": "Log out",
    "mark_verified": "Mark verified",
}
EFFECTS = {
    "deactivate": "They cannot log in, and all of their sessions end.",
    "activate": "They can log in again.",
    "soft_delete": "They cannot log in, and all of their sessions end. You can "
    "restore them within fourteen days. Then what is personal is erased.",
    "restore": "They can log in again, unless they are inactive.",
    "end_sessions": "All of their sessions end. They can log in again.",
    "mark_verified": "You confirm that their e-mail addresses belong to them.",
}
NAMED = 10  # users named in the confirmation page
NO_SELECTION = "The form has no valid user ID. Nothing was changed."
TOO_MANY = (
    f"You can change {bulk.MOST:,} users at once, and selected more. Nothing was "
    "changed: use a filter or a search."
)
FOLLOWING = (
    f"More than {bulk.CHUNK:,} users are changed in the background: %s follow within "
    "minutes."
)
NO_PUSH = (
    "The Auth Service did not receive all of it. No session is renewed; access that "
    "was granted before ends within minutes."
)


def users_of(count: int) -> str:
    return f"{count:,} user{pluralize(count)}"


def action(change: Change) -> Any:
    """The action of the list that makes this change."""

    def run(self: "UserActions", request: HttpRequest, users: QuerySet[User]) -> Any:
        return self.ask_or_run(request, users, change)

    run.__name__ = change.name
    permission = "soft_delete" if change.permission == DELETE else "change"
    return admin.action(run, description=BUTTONS[change.name], permissions=[permission])


class UserActions(admin.ModelAdmin):
    actions = tuple(map(action, CHANGES))

    def has_soft_delete_permission(self, request: HttpRequest) -> bool:
        """Django's permission to delete, although deleting keeps the row here."""
        return bool(request.user.has_perm("users.delete_user"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The admin deletes no row of a user: tokens and logs still name the user."""
        return False

    def can_modify(self, request: HttpRequest, user: User) -> bool:
        """Whether the operator may change this user, and `modifiable` has the user."""
        one = User.objects.filter(pk=user.pk)
        may = self.has_change_permission(request, user)
        return may and modifiable(request.user, one).exists()

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[User], *args: Any
    ) -> HttpResponse | None:
        if all(map(as_id, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            return super().response_action(request, queryset, *args)
        messages.error(request, NO_SELECTION)
        return None  # and Django shows the list again

    def ask_or_run(
        self, request: HttpRequest, users: QuerySet[User], change: Change
    ) -> HttpResponse:
        if not is_recent(request):
            return redirect_to_login(self.page_before(request), "admin_confirm")
        # Roughly the order of the rows on disk: neighbours share pages of the table.
        selected = users.order_by("created_at")
        count = selected[: bulk.MOST + 1].count()
        if count > bulk.MOST:
            messages.error(request, TOO_MANY)
        elif "confirmed" not in request.POST:
            return self.ask(request, selected, change)
        else:
            todo = modifiable(request.user, selected).filter(change.changes)
            ids = list(todo.values_list("pk", flat=True))
            outcome = bulk.run(change, ids, request.user)
            self.report(request, change, outcome, count)
        return HttpResponseRedirect(self.page_before(request))

    def ask(
        self, request: HttpRequest, users: QuerySet[User], change: Change
    ) -> HttpResponse:
        """The confirmation page. Its form repeats the selection: ids, or all users."""
        own = modifiable(request.user, users)
        todo = own.filter(change.changes)
        count, selected, yours = todo.count(), users.count(), own.count()
        ids, across = request.POST.getlist(ACTION_CHECKBOX_NAME), selects_all(request)
        button = BUTTONS[change.name]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{button}: {users_of(count)}",
            "opts": self.opts,
            "button": f"{button} {users_of(count)}",
            "effect": EFFECTS[change.name],
            "change": change,
            "count": count,
            "named": [*todo.order_by("email_canonical")[:NAMED]],
            "more": max(count - NAMED, 0),
            "not_yours": selected - yours,
            "done_already": yours - count,
            "ids": ids[:1] if across else ids,
            "across": int(across),
            "of_page": "of_page" in request.POST,
            "page_before": self.page_before(request),
        }
        return TemplateResponse(request, "admin/users/user/confirm.html", context)

    def report(
        self, request: HttpRequest, change: Change, outcome: bulk.Outcome, selected: int
    ) -> None:
        """Say what happened, and what did not."""
        done, following = outcome.done, outcome.following
        if done:
            messages.success(request, f"{users_of(done)} {change.done}.")
        if following:
            messages.info(request, FOLLOWING % users_of(following))
        if left_out := selected - done - following:
            text = "Left out: %s, not yours to change or %s already."
            done_already = change.done if change.changes else "changed"
            messages.warning(request, text % (users_of(left_out), done_already))
        if not outcome.is_pushed:
            messages.warning(request, NO_PUSH)

    def page_before(self, request: HttpRequest) -> str:
        """The list with its filters, or the user's page if its button was pressed."""
        if "of_page" not in request.POST:
            return request.get_full_path()
        user_id = request.POST[ACTION_CHECKBOX_NAME]
        return reverse("admin:users_user_change", args=[user_id])

    def buttons_for(self, request: HttpRequest, user: User) -> dict[str, str]:
        """The labels of the actions that change something about this user, by name."""
        is_state = {
            "deactivate": not user.is_active,
            "activate": user.is_active,
            "soft_delete": user.is_deleted,
            "restore": user.delete_after is None,
            "mark_verified": user.email_verified,
        }
        return {
            name: BUTTONS[name]
            for name in self.get_actions(request)
            if not is_state.get(name)
        }


def selects_all(request: HttpRequest) -> bool:
    """As the list of Django reads it: then the page counts the users that change."""
    return BooleanField().to_python(request.POST.get("select_across"))
