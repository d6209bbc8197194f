"""The admin of users: the list, the page of a user, and the rights to change them."""

import re
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import transaction
from django.db.models import Case, Q, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.text import smart_split
from django.views.decorators.http import require_POST

from users.accounts import links
from users.accounts.models import Purpose
from users.admin.columns import UserColumns
from users.admin.factors import FactorPages
from users.admin.forms import PasswordForm, UserChangeForm, UserCreationForm
from users.admin.lists import DateFilter, StrictListAdmin
from users.admin.roles import EVENT, warn_of_long_roles
from users.admin.step_up import recent_login_required
from users.admin.user_pages import mails_for
from users.admin.versions import VersionedAdmin, rights_changed, state_of
from users.db.recorded_model import RIGHTS as FLAGS
from users.db.search import SEARCHED
from users.events.log import record
from users.models import User
from users.validators import as_id, normalize_identifier

# An operator who may grant these could obtain every right.
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")
PASSWORD = ("usable_password", "password1", "password2")
PROFILE = ("first_name", "last_name", "display_name", "avatar_url")
STATE = ("is_staff", "status", "created", "last_seen")
DATES = (("created_at", DateFilter), ("deleted_at", DateFilter))
HISTORY = (
    *("id", "created_at", "updated_at", "email_verified_at", "last_login"),
    *("deleted_at", "delete_after", "erased_at", "session_epoch"),
)
PAGES = "admin/users/user"
ABOVE_YOU = (
    "This user is staff, or has a role or permission that you do not have. A superuser "
    "can change them."
)
ERASED = "This user is erased. The ID stays, because other data refers to it."
# A trigram, by which the index finds any part of a name: three letters or digits in a
# row. A space or sign before a word counts as two of them, and one after it as one.
TRIGRAM = re.compile(r"[^\W_]{3}|[\W_][^\W_]|[^\W_]{2}[\W_]")


@admin.register(User)
# The form changes rights, roles and the e-mail address.
@method_decorator(recent_login_required, name="change_view")
class UserAdmin(
    StrictListAdmin, UserColumns, VersionedAdmin, FactorPages, DjangoUserAdmin
):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = PasswordForm
    change_user_password_template = f"{PAGES}/change_password.html"
    fieldsets = (
        (None, {"fields": ("email", "username", "password")}),
        ("Profile", {"fields": PROFILE}),
        ("Access", {"fields": ("is_active", *RIGHTS)}),
        ("History", {"fields": HISTORY}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "username", *PASSWORD)}),
    )
    list_display = ("email", "username", "role_names", *STATE)
    list_filter = ("is_active", "is_staff", *DATES, "groups")
    list_per_page = 50
    show_full_result_count = False  # counts the whole table
    ordering = ("-created_at",)
    search_help_text = (
        "Any part of an e-mail address, username or name; one or two letters: the "
        "beginning; or an id."
    )

    def get_urls(self) -> list[URLPattern]:
        """Django's routes, and those of the pages about one user."""
        pages = {
            "events": self.events_view,
            "sessions": self.sessions_view,
            "locks": self.locks_view,
            "factors": self.factors_view,
            "mail": require_POST(self.mail_view),
        }
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"users_user_{name}",
            )
            for name, view in pages.items()
        ]
        return [*own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        users: Any = super().get_queryset(request)  # a UserQuerySet
        return users.with_roles()

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Search for any part of a name, or only for the beginning of one if a word is
        too short for the index."""
        words = smart_split(request.GET.get(SEARCH_VAR, ""))
        if all(TRIGRAM.search(word.strip("\"'")) for word in words):  # as Django's are
            return SEARCHED
        return tuple(re.sub("contains$", "startswith", each) for each in SEARCHED)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look up an id, since logs name users by id, and a username of the same text.
        Search other terms by names, with an exact match first."""
        term = normalize_identifier(search_term)
        if user_id := as_id(term):
            return queryset.filter(Q(username_canonical=term) | Q(pk=user_id)), False
        # Names keep letters that `normalize_identifier` replaces, such as a sharp s.
        lower = search_term.strip().lower()
        found, _ = super().get_search_results(request, queryset, lower)
        exact = Q(username_canonical=term) | Q(email_canonical=term)
        if term and queryset.filter(exact).exists():
            # A column: with DISTINCT, PostgreSQL orders only by selected columns.
            found = found.annotate(rank=Case(When(exact, 0), default=1)).order_by(
                "rank", *found.query.order_by
            )
        return found, False

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.editor = request.user  # the class is only for this request
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the version to a page that can be saved, and the reason to others."""
        (title, options), *others = super().get_fieldsets(request, obj)
        if obj is None or not super().has_change_permission(request, obj):
            return [(title, options), *others]
        if self.has_change_permission(request, obj):
            more: dict[str, Any] = {"fields": ("version", *options["fields"])}
        else:
            more = {"description": ERASED if obj.is_erased else ABOVE_YOU}
        return [(title, {**options, **more}), *others]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the buttons of the actions and mails for this user."""
        user = kwargs.get("obj")
        if user is not None and self.can_modify(request, user):
            context["buttons"] = self.buttons_for(request, user)
            context["mails"] = mails_for(user)
        return super().render_change_form(request, context, *args, **kwargs)

    @method_decorator(recent_login_required)
    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Run Django's view in a transaction, since the form locks the row. Operators
        change their own on the page that asks for the current one (ASVS 5.0 6.2.3)."""
        if self.get_object(request, unquote(id)) == request.user:
            return redirect("admin:password_change")
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: bool
    ) -> None:
        """Record who created or (de)activated a user. The model records its columns."""
        obj.was_verified |= not change or not {*RIGHTS}.isdisjoint(form.changed_data)
        super().save_model(request, obj, form, change)
        event = "user_activate" if obj.is_active else "user_deactivate"
        event = event if change else "user_created"
        if not change or "is_active" in form.changed_data:
            record(event, obj.pk, by=str(request.user.pk))

    def save_related(self, request: HttpRequest, form: Any, *args: Any) -> None:
        """Record changes of roles and rights, which the user model does not record. New
        ones are for the owner of the present mailbox: they void the links by which an
        earlier one takes the account back."""
        super().save_related(request, form, *args)
        user, before = form.instance, getattr(form, "before", {})  # a new user has none
        given = {flag for flag in FLAGS & {*form.changed_data} if getattr(user, flag)}
        if rights := rights_changed(before, state_of(user)):
            record(EVENT, user.pk, by=str(request.user.pk), **rights)
            warn_of_long_roles(request, User.objects.filter(pk=user.pk))
        if given or rights.get("added"):
            links.void(purpose=Purpose.UNDO_EMAIL, user=user)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only superusers may grant rights. Nobody changes their own address here: the
        API asks for the password, and mails a link that undoes it."""
        rights = () if request.user.is_superuser else RIGHTS
        return (*HISTORY, *rights, *["email"] * (obj == request.user))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """As on Django's page: an operator who adds users has to see them. Its other
        way (`_saveasnew`) does not ask."""
        may_change = super().has_change_permission(request)
        return may_change and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An operator who sets a user's e-mail or password gains that user's rights. So
        only superusers may change users with more rights. Operators may change their
        own profile."""
        if not super().has_change_permission(request, obj):
            return False
        if obj is None or obj == request.user:
            return True
        if not hasattr(obj, "is_modifiable"):  # called several times for a page
            users = User.objects.modifiable_by(request.user)
            obj.is_modifiable = users.filter(pk=obj.pk).exists()
        return bool(obj.is_modifiable)
