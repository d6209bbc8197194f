"""The admin of roles and their permissions."""

import re
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import BadRequest
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator

from users.admin.forms import RoleForm
from users.admin.lists import StrictListAdmin
from users.admin.step_up import recent_login_required
from users.admin.versions import VersionedAdmin, rights_changed, state_of
from users.events.log import record
from users.models import Role, User

EVENT = "privilege_permissions_changed"

admin.site.unregister(Group)


def warn_of_long_roles(request: HttpRequest, users: Any) -> None:
    """Warn the operator if the roles of one of these users nearly fill the space in an
    access token, or exceed it."""
    if near := users.near_limit():
        text = f"Roles in access tokens: {near}. Beyond that, tokens have no roles."
        messages.warning(request, text)


def warn_of_factor_role(request: HttpRequest, name: str) -> None:
    """Warn the operator if users needed a second factor for the role of this name."""
    if name in settings.SECOND_FACTOR_ROLES:
        text = f"SECOND_FACTOR_ROLES names {name}, which is no role any more."
        messages.warning(request, f"{text} No user needs a second factor for it.")


@admin.register(Role)
@method_decorator(recent_login_required, name="changeform_view")
@method_decorator(recent_login_required, name="delete_view")
@method_decorator(recent_login_required, name="response_action")  # deletes roles too
class RoleAdmin(StrictListAdmin, VersionedAdmin, GroupAdmin):
    """Django's groups. Access tokens list their names as roles."""

    form = RoleForm
    list_display = ("name", "members")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(members=Count("user"))

    def has_right(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only superusers set permissions of a role: others could extend their own."""
        return bool(request.user.is_superuser)

    has_add_permission = has_change_permission = has_delete_permission = has_right

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any
    ) -> HttpResponse | None:
        """Raises BadRequest for what cannot be the id of a role."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(re.fullmatch("[0-9]{1,18}", each) for each in ticked):
            raise BadRequest("no role is named")
        return super().response_action(request, queryset, *args)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The roles alone. Django would read and list every membership."""
        return [role.name for role in objs], {"roles": len(objs)}, set(), []

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        warn_of_long_roles(request, User.objects.filter(groups=obj))

    def save_related(self, request: HttpRequest, form: Any, *args: Any) -> None:
        super().save_related(request, form, *args)
        role, before = form.instance, form.before
        rights = rights_changed(before, state_of(role))
        what = "changed" if before else "added"
        if "name" in form.changed_data and before:
            rights["was"] = before["name"]
            warn_of_factor_role(request, before["name"])
        if rights or not before:
            who = str(request.user.pk)
            record(EVENT, None, role=role.name, what=what, by=who, **rights)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Record the deletion, in Django's transaction. Lock the role first, so that no
        user gets it while its members are removed."""
        Role.objects.select_for_update().filter(pk=obj.pk).first()
        rights = rights_changed(state_of(obj), {"permissions": []})
        what = {"role": obj.name, "what": "deleted", "by": str(request.user.pk)}
        record(EVENT, None, **what, **rights)
        super().delete_model(request, obj)
        warn_of_factor_role(request, obj.name)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        with transaction.atomic():
            for role in queryset:
                self.delete_model(request, role)

    @admin.display(ordering="members")
    def members(self, role: Any) -> Any:
        return role.members
