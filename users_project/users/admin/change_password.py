"""Changing one's own password in the admin: no easier to guess here than by the API."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from shared.structured_logging import audit
from users import credentials
from users.middleware import remember_device


class OwnPasswordForm(AdminPasswordChangeForm):
    """Django's, whose guesses at the current password are limited and audited."""

    def __init__(self, *args: Any, session: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session = session

    def clean_old_password(self) -> str:
        """Raises ValidationError; RateLimited or Overloaded, with nothing changed."""
        guess: str = self.cleaned_data["old_password"]
        if credentials.verify_current_password(self.user, guess, self.session):
            return guess
        audit("authn_password_change_fail", user_id=str(self.user.pk), site="admin")
        wrong = "password_incorrect"
        raise ValidationError(self.error_messages[wrong], code=wrong)

    def save(self, commit: bool = True) -> Any:
        saved = super().save(commit)
        audit("authn_password_change", user_id=str(self.user.pk), site="admin")
        return saved


class OwnPasswordView(PasswordChangeView):
    form_class = OwnPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        session = self.request.session.session_key or ""
        return {**super().get_form_kwargs(), "session": session}

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        remember_device(self.request, form.user)
        return answer


def change_own_password(request: HttpRequest) -> HttpResponseBase:
    """As `AdminSite.password_change`, with that form."""
    request.current_app = admin.site.name
    view = OwnPasswordView.as_view(
        success_url=reverse("admin:password_change_done"),
        extra_context=admin.site.each_context(request),
    )
    answer: HttpResponseBase = view(request)
    return answer
