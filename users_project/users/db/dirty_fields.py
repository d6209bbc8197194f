"""A model that saves what was changed since its row was read, and nothing else."""

from collections.abc import Iterable
from typing import Any, Self

from django.db import models


class DirtyFieldsModel(models.Model):
    """A form or a command may hold a row for minutes. Writing back all it has read, as
    Django does, would undo what others changed meanwhile.

    `QuerySet.update` bypasses this, as it bypasses every `save`.
    """

    class Meta:
        abstract = True

    # The values in the database, as far as known. Replaced, never changed in place.
    row: dict[str, Any] = {}

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert, or write the changes. With `update_fields`, only those among them."""
        if self._state.adding:
            super().save(*args, **kwargs)
            self.remember()
            return
        names = self.changed()
        if kwargs.get("update_fields") is not None:
            names &= set(kwargs["update_fields"])
        if names:
            self.write(names)

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        instance = super().from_db(*args, **kwargs)
        instance.row = instance.__dict__.copy()
        return instance

    def refresh_from_db(
        self, using: str | None = None, fields: Any = None, from_queryset: Any = None
    ) -> None:
        super().refresh_from_db(using, fields, from_queryset)
        self.remember(fields)

    def write(self, names: set[str]) -> None:
        """Update these columns of the row."""
        super().save(update_fields=names)
        self.remember(names)

    def remember(self, names: Iterable[str] | None = None) -> None:
        """Note that the row now has the values of these fields (None: of all)."""
        if names is None:
            names = [field.attname for field in self._meta.concrete_fields]
        here = self.__dict__  # without deferred fields
        self.row = {**self.row, **{n: here[n] for n in names if n in here}}

    def changed(self) -> set[str]:
        """The fields whose values differ from those of the row."""
        here, row = self.__dict__, self.row
        return {
            field.attname
            for field in self._meta.concrete_fields
            if field.attname in here
            and (field.attname not in row or row[field.attname] != here[field.attname])
        }
