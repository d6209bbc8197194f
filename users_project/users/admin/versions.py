"""Change forms that carry the version of the row they show. So a save cannot undo what
others have changed since the page was opened."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.text import capfirst

OUTDATED = "Nothing was saved. Open the page again, then make your change."
SECRET = {"password"}
# Logins write `last_login`, and no form changes it.
NOT_VERSIONED = {"last_login", "id"}
# No form changes these either, but a deletion or a verification makes a page outdated.
ALSO_VERSIONED = {"deleted_at", "email_verified_at"}


def versioned_fields(row: models.Model) -> list[Any]:
    """The fields of a version: columns, and many-to-many fields."""
    opts = row._meta
    columns = [
        field
        for field in opts.concrete_fields
        if (field.editable or field.name in ALSO_VERSIONED)
        and field.name not in NOT_VERSIONED
    ]
    return [*columns, *opts.many_to_many]


def state_of(row: models.Model) -> dict[str, Any]:
    """The stored value of each of these fields: names for roles and permissions."""
    return {field.name: value_of(field, row) for field in versioned_fields(row)}


def value_of(field: Any, row: models.Model) -> Any:
    if not field.many_to_many:
        return field.value_from_object(row)
    related = getattr(row, field.name).order_by()
    if field.related_model is Permission:
        names = related.values_list("content_type__app_label", "codename")
        return sorted(".".join(each) for each in names)
    return sorted(related.values_list("name", flat=True))


def digests(state: dict[str, Any]) -> dict[str, str]:
    """Keyed digests, so that the page reveals no value that it does not show."""
    return {
        name: salted_hmac(f"users.admin.version.{name}", repr(value)).hexdigest()[:16]
        for name, value in state.items()
    }


def signer(row: models.Model) -> signing.Signer:
    """A signer of versions that are valid for this row only."""
    return signing.Signer(salt=f"users.admin.version.{row._meta.label}.{row.pk}")


def version_of(row: models.Model) -> str:
    return signer(row).sign_object(digests(state_of(row)))


def describe(name: str, value: Any) -> str:
    """The stored value, as text for the user of the form."""
    if name in SECRET:
        return ""
    if isinstance(value, bool):
        return ", now on" if value else ", now off"
    text = ", ".join(value) if isinstance(value, list) else str(value or "empty")
    return f", now {text or 'empty'}"


def rights_changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The roles and permissions that were added or removed, for the audit log."""
    lists = {name: value for name, value in after.items() if isinstance(value, list)}
    old = {(name, each) for name in lists for each in before.get(name, ())}
    new = {(name, each) for name, values in lists.items() for each in values}
    if old == new:
        return {}
    return {
        "fields": sorted({name for name, _ in old ^ new}),
        "added": sorted(each for _, each in new - old),
        "removed": sorted(each for _, each in old - new),
    }


class VersionField(forms.CharField):
    """A hidden field that never counts as changed."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class VersionedForm(forms.Form):
    """Mixin for the form of a row. Refuses to save a page that was made from another
    version of the row, and says what has changed.

    The row is locked until the transaction ends: of two saves at once one is refused.
    """

    instance: Any
    version = VersionField(required=False)
    before: dict[str, Any] = {}  # the stored state before this save

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_bound and not self.instance._state.adding:
            self.initial["version"] = version_of(self.instance)

    def clean(self) -> Any:
        cleaned = super().clean()
        if self.instance._state.adding:
            return cleaned
        rows = type(self.instance)._base_manager.select_for_update(no_key=True)
        row = rows.filter(pk=self.instance.pk).first()
        if row is None:
            raise ValidationError("It was deleted meanwhile.", "outdated")
        self.before = state_of(row)
        if changes := self.changes(row):
            raise ValidationError([*changes, OUTDATED], "outdated")
        return cleaned

    def changes(self, row: models.Model) -> list[str]:
        """A sentence for each field that has changed since the page was made."""
        try:
            was = signer(row).unsign_object(self.data.get("version", ""))
        except signing.BadSignature:
            return ["The page does not say which version it was made from."]
        now = digests(self.before)
        return [
            f"Changed meanwhile: {capfirst(field.verbose_name)}"
            f"{describe(field.name, self.before[field.name])}."
            for field in versioned_fields(row)
            if was.get(field.name) != now[field.name]
        ]


class VersionedAdmin(admin.ModelAdmin):
    def changeform_view(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Run Django's view again if another save takes a name after the form's check.
        Then the form finds that the name is taken."""
        try:
            with transaction.atomic():
                return super().changeform_view(request, *args, **kwargs)
        except IntegrityError:
            return super().changeform_view(request, *args, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, *args: Any) -> None:
        """Raises IntegrityError if a chosen role or permission was deleted meanwhile.
        PostgreSQL would report that only at the commit, after the response was made."""
        super().save_related(request, form, *args)
        connection.check_constraints()
