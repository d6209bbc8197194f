"""Changing one's own password in the admin, with the rate limits of the API."""

from typing import Any

from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView, redirect_to_login
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from users.admin.form_page import AdminFormPage
from users.admin.login import remember_if_enough
from users.events.log import record
from users.factors import policy
from users.middleware import AMR
from users.models import User
from users.passwords import credentials

OUTDATED = "Your password was changed meanwhile, or your sessions were ended."


class OwnPasswordForm(AdminPasswordChangeForm):
    """Django's form, with limited and audited guesses at the current password."""

    def __init__(self, *args: Any, session: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session = session

    def clean_old_password(self) -> str:
        """Raises ValidationError; RateLimited or Overloaded, with nothing changed."""
        guess: str = self.cleaned_data["old_password"]
        if credentials.verify_current_password(self.user, guess, self.session):
            self.lock_password()
            return guess
        record("authn_password_change_fail", self.user.pk, site="admin")
        wrong = "password_incorrect"
        raise ValidationError(self.error_messages[wrong], code=wrong)

    def lock_password(self) -> None:
        """Lock the row until the transaction ends. Raises ValidationError if another
        password or epoch is stored now: the old ones must not undo what an operator has
        changed."""
        read, rows = self.user, User.objects.select_for_update(no_key=True)
        same = {"password": read.password, "session_epoch": read.session_epoch}
        if not rows.filter(pk=read.pk, **same).exists():
            raise ValidationError(OUTDATED, "outdated")


class OwnPasswordView(AdminFormPage, PasswordChangeView):
    """`AdminSite.password_change` with `OwnPasswordForm`."""

    form_class = OwnPasswordForm
    next_page = "admin:password_change_done"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask a user with a factor for it, if a trusted device opened the session."""
        user = User.objects.find(id=request.user.pk, factors=True)
        has_factor = user is not None and policy.methods(user, "admin")
        if has_factor and "mfa" not in request.session.get(AMR, ()):
            return redirect_to_login(request.path, "admin_confirm")
        return super().dispatch(request, *args, **kwargs)

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        with transaction.atomic():
            return super().post(*args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        session = self.request.session.session_key or ""
        return {**super().get_form_kwargs(), "session": session}

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        if user := User.objects.find(id=form.user.pk, factors=True):
            remember_if_enough(self.request, user)
        return answer
