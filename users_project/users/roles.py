"""Roles, which is the name for Django's groups in this project."""

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator

from users import validators

LONGEST_ROLE_NAME = 64  # characters; the database refuses longer new names, too


class Role(Group):
    """A role. Access tokens contain the names of their user's roles."""

    class Meta:
        proxy = True
        ordering = ("name",)

    def clean(self) -> None:
        """Raise ValidationError for a name that is too long, or has characters that
        names may not have."""
        super().clean()
        try:
            MaxLengthValidator(LONGEST_ROLE_NAME)(self.name)
            validators.validate_name(self.name)
        except ValidationError as exc:
            raise ValidationError({"name": exc}) from exc
