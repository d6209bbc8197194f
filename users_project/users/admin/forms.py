"""The admin's forms. `User.clean` refuses a name that is taken, in any letter case."""

from contextlib import suppress
from typing import Any

from django import forms
from django.contrib.auth import forms as auth_forms
from django.core.exceptions import ValidationError

from users.admin.versions import VersionedForm
from users.models import Role, User

LABEL = "Login with a password"
WITHOUT_ONE = "Without a password the user cannot log in until one is set."


class UserCreationForm(auth_forms.AdminUserCreationForm):
    usable_password = auth_forms.AdminUserCreationForm.create_usable_password_field(
        WITHOUT_ONE
    )
    usable_password.label = LABEL

    class Meta:
        model = User
        fields = ("email", "username")

    def clean_username(self) -> str:
        """Return it unchecked. Django's own method would read the whole table."""
        return str(self.cleaned_data["username"])


class PasswordHashWidget(auth_forms.ReadOnlyPasswordHashWidget):
    """Django's, which fails for a malformed hash (imported)."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        with suppress(AssertionError, ValueError):
            return super().get_context(name, value, attrs)
        return super().get_context(name, "of no known algorithm", attrs)


class UserChangeForm(VersionedForm, auth_forms.UserChangeForm):
    editor: User  # set by `UserAdmin.get_form`

    class Meta:
        model = User
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if password := self.fields.get("password"):
            password.widget = PasswordHashWidget()
            if not self.instance.has_usable_password():
                password.help_text = WITHOUT_ONE

    def clean_is_active(self) -> bool:
        return self.clean_own("is_active", "You cannot deactivate your own account.")

    def clean_is_staff(self) -> bool:
        return self.clean_own("is_staff", "You cannot end your own access.")

    def clean_is_superuser(self) -> bool:
        return self.clean_own("is_superuser", "Another superuser can end your rights.")

    def clean_own(self, flag: str, fault: str) -> bool:
        """So that one superuser remains. Raises ValidationError."""
        value: bool = self.cleaned_data[flag]
        if self.instance == self.editor and not value:
            raise ValidationError(fault, "own")
        return value

    def clean(self) -> Any:
        """Lock superusers first: of two who remove each other at once, one stays."""
        of_superuser = self.instance.is_superuser
        if of_superuser and self.editor.pk not in User.objects.lock_superusers():
            raise ValidationError("You are no superuser any more.", "outdated")
        return super().clean()


class PasswordForm(VersionedForm, auth_forms.AdminPasswordChangeForm):
    """The form by which an operator sets a user's password."""

    usable_password_help_text = WITHOUT_ONE

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        self.instance = user  # the row of the form's version
        super().__init__(user, *args, **kwargs)
        if "usable_password" in self.fields:
            self.fields["usable_password"].label = LABEL

    @property
    def changed_data(self) -> list[str]:
        """For the history. Django's own finds no change if the password is removed."""
        return ["password"]


class RoleForm(VersionedForm, forms.ModelForm):
    class Meta:
        model = Role
        fields = ("name", "permissions")
