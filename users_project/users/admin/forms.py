"""The admin's forms."""

from typing import Any

from django import forms
from django.contrib.auth import forms as auth_forms

from users.models import User
from users.validators import normalize_identifier


class UniqueIdentifiersMixin:
    """Tells what the database would refuse: a name that is taken, in any case."""

    cleaned_data: dict[str, Any]
    instance: User

    def clean_email(self) -> str:
        return self.free("email")

    def clean_username(self) -> str:
        return self.free("username")

    def free(self, field: str) -> str:
        name: str = self.cleaned_data[field]
        same = User.objects.filter(**{f"{field}_canonical": normalize_identifier(name)})
        if same.exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("This one is taken.", code="unique")
        return name


class UserCreationForm(UniqueIdentifiersMixin, auth_forms.AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "username")


class UserChangeForm(UniqueIdentifiersMixin, auth_forms.UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"


class SessionForm(forms.Form):
    """Which of a user's sessions is meant."""

    session = forms.UUIDField()
