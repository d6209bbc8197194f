"""A column for the canonical form of a name, by which it is compared and looked up."""

from typing import Any

from django.db import models

from users.validators import normalize_identifier


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
        value = normalize_identifier(getattr(instance, self.source))
        setattr(instance, self.attname, value)
        return value
