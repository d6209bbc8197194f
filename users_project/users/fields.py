"""The form of a name in which it is unique, and by which it is looked up."""

from typing import Any

from django.db import models


def canonical(text: str) -> str:
    """`text` without surrounding space and without case.

    Python's, not the database's: what `lower()` does there depends on a collation.
    """
    return text.strip().casefold()


class CanonicalField(models.CharField):
    """The canonical form of the field `source`, written whenever the row is saved."""

    def __init__(self, *args: Any, source: str, **kwargs: Any) -> None:
        self.source = source
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["editable"]
        return name, path, args, {**kwargs, "source": self.source}

    def pre_save(self, instance: models.Model, add: bool) -> str:
        value = canonical(getattr(instance, self.source))
        setattr(instance, self.attname, value)
        return value
