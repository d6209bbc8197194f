"""The admin: who is there, and who may what."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from shared.structured_logging import audit
from users.admin.forms import UserChangeForm, UserCreationForm
from users.admin.pages import UserPages
from users.models import Role, User
from users.validators import as_id, normalize_identifier

admin.site.site_header = "Memo"
admin.site.site_title = "Memo"
admin.site.index_title = "Users and roles"
admin.site.site_url = None  # there is no site next to it
admin.site.unregister(Group)

# A user who can give these to others has them all.
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")
PASSWORD = ("usable_password", "password1", "password2")
PROFILE = ("first_name", "last_name", "display_name", "avatar_url")
IS_DELETED = ("deleted_at", admin.EmptyFieldListFilter)
STATE = ("is_staff", "is_active", "deleted_at", "created_at")
TIMES = ("created_at", "updated_at", "last_login", "deleted_at")
HISTORY = ("id", *TIMES, "session_epoch")


def warn_of_long_roles(request: HttpRequest, users: Any) -> None:
    """Tell the operator if an access token of one of these users has hardly room for
    their roles, or none."""
    if near := users.near_limit():
        text = f"Roles in access tokens: {near}. Beyond that, tokens name no role."
        messages.warning(request, text)


@admin.register(Role)
class RoleAdmin(GroupAdmin):
    """Django's groups; their names are what access tokens call roles."""

    list_display = ("name", "members")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(members=Count("user"))

    def has_right(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a role may do, superusers say: others would say it of their own."""
        return bool(request.user.is_superuser)

    has_add_permission = has_change_permission = has_delete_permission = has_right

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        warn_of_long_roles(request, User.objects.filter(groups=obj))

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        audit("privilege_permissions_changed", role=obj.name, what="added")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        audit("privilege_permissions_changed", role=obj.name, what="changed")
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for role in queryset:
            audit("privilege_permissions_changed", role=role.name, what="deleted")
        return super().log_deletions(request, queryset)

    @admin.display(ordering="members")
    def members(self, role: Any) -> Any:
        return role.members


@admin.register(User)
class UserAdmin(UserPages, DjangoUserAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    fieldsets = (
        (None, {"fields": ("email", "username", "password")}),
        ("Profile", {"fields": PROFILE}),
        ("Access", {"fields": ("is_active", *RIGHTS)}),
        ("History", {"fields": HISTORY}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "username", *PASSWORD)}),
    )
    readonly_fields = HISTORY
    list_display = ("email", "username", "display_name", "role_names", *STATE)
    list_filter = ("is_active", IS_DELETED, "is_staff", "groups")
    list_per_page = 50
    show_full_result_count = False  # counts the whole table
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    search_fields = ("email_canonical__startswith", "username_canonical__startswith")
    search_help_text = "The beginning of an e-mail address or username, or an id."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        users: Any = super().get_queryset(request)  # a UserQuerySet
        return users.with_roles()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By id, which is what logs name, and by the username that is the same text;
        else by the indexed columns."""
        term = normalize_identifier(search_term)
        if user_id := as_id(term):
            return queryset.filter(Q(username_canonical=term) | Q(pk=user_id)), False
        return super().get_search_results(request, queryset, term)

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            audit("user_created", user_id=str(obj.pk), by=str(request.user.pk))

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        """Roles and rights are tables next to the user's; no other code audits them."""
        super().save_related(request, form, formsets, change)
        if given := sorted(set(form.changed_data) & {"groups", "user_permissions"}):
            who = {"user_id": str(form.instance.pk), "by": str(request.user.pk)}
            audit("privilege_permissions_changed", **who, fields=given)
            warn_of_long_roles(request, User.objects.filter(pk=form.instance.pk))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Rights are a superuser's to give."""
        return HISTORY if request.user.is_superuser else (*HISTORY, *RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The e-mail or password of who has rights here is a superuser's to set: others
        would take those rights over. One's own profile is one's own."""
        above = obj is not None and (obj.is_superuser or obj.is_staff)
        mine = request.user.is_superuser or obj == request.user
        return (not above or mine) and super().has_change_permission(request, obj)

    @admin.display(description="roles")
    def role_names(self, user: User) -> str:
        return ", ".join(user.roles)
