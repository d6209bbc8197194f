"""A page of the admin that adds a second factor: an authenticator app, or a passkey."""

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from rest_framework.exceptions import ValidationError

from shared.api.exceptions import FactorLimit
from users.admin.own_factors import OwnFactorsPage
from users.factors import changes, registration, secrets, totp
from users.factors.forms import CredentialField
from users.factors.models import Factor
from users.limits.guess_limits import client_of
from users.middleware import AMR
from users.validators import as_id, validate_name

APP = "Authenticator app"
ADDED = "The second factor was added."
WRONG = "This is not a code of this key. Is the clock of the app's device right?"
REFUSED = "The passkey was not added. Try again."
TOO_MANY = "You have as many passkeys as an account may have."


class AppForm(forms.Form):
    factor = forms.CharField(widget=forms.HiddenInput)
    code = forms.CharField(
        max_length=10,
        widget=forms.TextInput({"autocomplete": "one-time-code", "autofocus": True}),
    )


class NewPasskeyForm(forms.Form):
    name = forms.CharField(max_length=64, required=False, validators=[validate_name])
    credential = CredentialField()


class AddFactorView(OwnFactorsPage):
    title = "Add a second factor"
    form_class = AppForm
    template_name = "admin/factors/add.html"
    factor: Factor  # not confirmed yet

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.propose()

    def propose(self, **shown: Any) -> HttpResponse:
        """The page with a new key."""
        self.factor, _ = changes.propose_totp(self.owner(), APP)
        form = AppForm(initial={"factor": self.factor.pk})
        return self.render_to_response(self.get_context_data(form=form, **shown))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Raises Http404 where another tab has another key by now."""
        if "credential" in request.POST:
            return self.add_passkey()
        waiting = Factor.objects.filter(user=self.owner(), confirmed_at=None)
        factor_id = as_id(request.POST.get("factor", ""))
        self.factor = get_object_or_404(waiting, pk=factor_id)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AppForm) -> HttpResponse:
        code, client = form.cleaned_data["code"], client_of(self.request)
        try:
            codes = changes.confirm_totp(self.owner(), self.factor.pk, code, client)
        except ValidationError:
            return self.refuse(form, WRONG)
        return self.added(codes)

    def add_passkey(self) -> HttpResponse:
        form = NewPasskeyForm(self.request.POST)
        if not form.is_valid():
            return self.propose(refused=REFUSED)
        sent, name = form.cleaned_data["credential"], form.cleaned_data["name"]
        client = client_of(self.request)
        try:
            passkey = registration.register(self.owner(), sent, name)
            codes = registration.complete(self.owner(), passkey, client)
        except ValidationError:
            return self.propose(refused=REFUSED)
        except FactorLimit:
            return self.propose(refused=TOO_MANY)
        return self.added(codes)

    def added(self, codes: list[str]) -> HttpResponse:
        """Mark the session as opened with a factor: the user has just used it, and is
        not asked again at once. Show the recovery codes that the first one brings."""
        self.keep_session()
        self.request.session[AMR] = [*self.request.session.get(AMR, ()), "mfa"]
        messages.success(self.request, ADDED)
        return self.show_codes(codes) if codes else redirect("admin_factors")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user, secret = self.owner(), secrets.decrypt(self.factor)
        image = totp.qr_code(totp.uri(secret, user.email))
        options = json.dumps(registration.options(user))
        shown = {"passkey": options, "secret": secret, "qr_code": image}
        return super().get_context_data(**shown, **kwargs)
