"""The admin's forms. `User.clean` explains that a name is taken, in any case."""

from django.contrib.auth import forms as auth_forms

from users.models import User


class UserCreationForm(auth_forms.AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "username")

    def clean_username(self) -> str:
        """As it is. Django's own would read the whole table."""
        return str(self.cleaned_data["username"])


class UserChangeForm(auth_forms.UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"
