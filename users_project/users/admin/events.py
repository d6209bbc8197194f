"""The admin's page of all events of users, for superusers."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html

from shared.devices import device
from users.admin.lists import DateFilter, StrictListAdmin
from users.events.catalogue import CATALOGUE
from users.models import Event

PLACE = ("personal__network", "device")
MOST = 10_000  # events of one list; filters by date or event show others


class BoundedPaginator(Paginator):
    """Counts at most `MOST`. A count of all events would read the whole table."""

    @cached_property
    def count(self) -> int:
        events: Any = self.object_list
        return int(events.order_by()[:MOST].count())


class EventFilter(admin.SimpleListFilter):
    """Filters by name. Django's own filter would read the table to list the names."""

    title, parameter_name = "event", "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(CATALOGUE)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(event=self.value()) if self.value() else queryset


@admin.register(Event)
class EventAdmin(StrictListAdmin):
    list_display = ("at", "event", "outcome", "account", "actor", *PLACE)
    list_display_links = None
    list_filter = (EventFilter, ("at", DateFilter))
    list_select_related = ("personal",)
    list_per_page = 100
    list_max_show_all = 0
    paginator = BoundedPaginator
    show_full_result_count = False
    sortable_by = ()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission

    @admin.display
    def account(self, event: Any) -> str:
        """A link to the user's events. The user's page may no longer exist."""
        if event.user_id is None:
            return "-"
        page = reverse("admin:users_user_events", args=[event.user_id])
        return format_html('<a href="{}">{}</a>', page, event.user_id)

    @admin.display
    def device(self, event: Any) -> str | None:
        personal = getattr(event, "personal", None)
        agent = personal and personal.user_agent
        return device(agent) if agent else None
