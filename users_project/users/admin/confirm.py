"""The admin's page that asks the user to authenticate again."""

from typing import Any

from django import forms
from django.contrib.auth.views import redirect_to_login
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)

from users.admin import challenges
from users.admin.challenges import Use
from users.admin.form_page import AdminFormPage
from users.admin.second_factor import FactorPage
from users.admin.step_up import note_authentication
from users.events.log import record
from users.factors import policy
from users.middleware import AMR
from users.models import User
from users.passwords import credentials

WRONG = "This is not your password."


def confirm(request: HttpRequest) -> HttpResponseBase:
    """Users with a factor answer with it, others with the password."""
    user = User.objects.find(id=request.user.pk, factors=True)
    has_factor = user is not None and policy.methods(user, "admin")
    view = ConfirmByFactorView if has_factor else ConfirmByPasswordView
    return view.as_view()(request)


class ConfirmPage(AdminFormPage):
    title = "Confirm that it is you"

    def confirmed(self) -> HttpResponse:
        self.request.session.cycle_key()  # a copy of the cookie ends (ASVS 7.2.4)
        note_authentication(self.request)
        record("authn_step_up", self.request.user.pk, site="admin")
        return HttpResponseRedirect(self.get_success_url())


class ConfirmByFactorView(ConfirmPage, FactorPage):
    use = Use.STEP_UP

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.challenge = challenges.create(request.user)
        answer = self.render_to_response(self.get_context_data())
        challenges.set_cookie(answer, self.use, self.challenge)
        return answer

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The challenge may be of a user who was logged in here before."""
        found = challenges.find(request, self.use)
        if found is None or found.user_id != request.user.pk:
            return self.start_over()
        return super().post(request, *args, **kwargs)

    def start_over(self) -> HttpResponse:
        return redirect_to_login(self.get_success_url(), "admin_confirm")

    def succeed(self, user: User, amr: list[str], form: Any) -> HttpResponse:
        """Also mark a session that a trusted device opened as opened with a factor."""
        self.request.session[AMR] = ["pwd", *amr, "mfa"]
        return self.confirmed()


class PasswordForm(forms.Form):
    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(
            {"autocomplete": "current-password", "autofocus": True}
        ),
    )


class ConfirmByPasswordView(ConfirmPage):
    form_class = PasswordForm
    template_name = "admin/factors/question.html"

    def form_valid(self, form: PasswordForm) -> HttpResponse:
        """Raises RateLimited and Overloaded."""
        user: Any = self.request.user
        session = self.request.session.session_key or ""
        guess = form.cleaned_data["password"]
        if credentials.verify_current_password(user, guess, session):
            return self.confirmed()
        record("authn_password_check_fail", user.pk, site="admin")
        return self.refuse(form, WRONG)
