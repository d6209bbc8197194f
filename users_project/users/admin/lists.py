"""Lists that accept only the URL parameters of their own links. Others are a 400."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest


class StrictChangeList(ChangeList):
    def get_filters(self, request: HttpRequest) -> Any:
        """Refuse other parameters. Django would accept any column and any lookup, such
        as part of a password's hash or a regular expression that never ends."""
        found = super().get_filters(request)
        remaining = found[2]  # the parameters that belong to no filter
        if remaining:
            raise IncorrectLookupParameters(*remaining)
        return found

    def get_ordering_field(self, field_name: Any) -> Any:
        """Ignore an order by a column that has no link for it."""
        is_offered = field_name in (self.sortable_by or ())
        return super().get_ordering_field(field_name) if is_offered else None


class StrictListAdmin(admin.ModelAdmin):
    show_facets = admin.ShowFacets.NEVER  # they count the whole table for every filter

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return StrictChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Raises BadRequest where Django would silently redirect to the whole list."""
        try:
            return super().get_changelist_instance(request)
        except IncorrectLookupParameters as exc:
            raise BadRequest("The list has no such page or filter.") from exc


class DateFilter(admin.DateFieldListFilter):
    """Django's filter, which also accepts typed dates, in UTC as all times here."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        times = (self.lookup_kwarg_since, self.lookup_kwarg_until)
        try:
            for name in set(times) & set(self.used_parameters):
                typed: Any = self.used_parameters[name]
                clean = forms.DateTimeField().clean
                self.used_parameters[name] = [clean(text) for text in typed]
        except ValidationError as exc:
            raise IncorrectLookupParameters(exc) from exc
        return super().queryset(request, queryset)
