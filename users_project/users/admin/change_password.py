"""Changing one's own password in the admin: no easier to guess here than by the API."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from shared.structured_logging import audit
from users import credentials


class OwnPasswordForm(AdminPasswordChangeForm):
    """Django's, whose guesses at the current password are limited and audited."""

    def clean_old_password(self) -> str:
        """Raises ValidationError; RateLimited or Overloaded, with nothing changed."""
        guess: str = self.cleaned_data["old_password"]
        if credentials.prove(self.user, guess, address=None):
            return guess
        audit("authn_password_change_fail", user_id=str(self.user.pk), site="admin")
        wrong = "password_incorrect"
        raise ValidationError(self.error_messages[wrong], code=wrong)

    def save(self, commit: bool = True) -> Any:
        saved = super().save(commit)
        audit("authn_password_change", user_id=str(self.user.pk), site="admin")
        return saved


def change_own_password(request: HttpRequest) -> HttpResponseBase:
    """As `AdminSite.password_change`, with that form."""
    request.current_app = admin.site.name
    view = PasswordChangeView.as_view(
        form_class=OwnPasswordForm,
        success_url=reverse("admin:password_change_done"),
        extra_context=admin.site.each_context(request),
    )
    answer: HttpResponseBase = view(request)
    return answer
