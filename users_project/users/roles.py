"""Roles: Django's groups, by the name they have here."""

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator

from users import validators

LONGEST_ROLE_NAME = 64  # characters; the database holds new names to it too


class Role(Group):
    """A role. Access tokens name those of their user."""

    class Meta:
        proxy = True
        ordering = ("name",)

    def clean(self) -> None:
        """Raise ValidationError for a name that is too long, or has characters that no
        name has."""
        super().clean()
        try:
            MaxLengthValidator(LONGEST_ROLE_NAME)(self.name)
            validators.validate_name(self.name)
        except ValidationError as exc:
            raise ValidationError({"name": exc}) from exc
