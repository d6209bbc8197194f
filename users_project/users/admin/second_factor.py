"""The admin's page that asks for a second factor."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from shared.api.exceptions import SecondFactorInvalid, TokenInvalid
from shared.auth.passkeys import request_options
from users.admin import challenges
from users.admin.challenges import Use
from users.admin.form_page import AdminFormPage
from users.factors import policy
from users.factors.forms import CredentialField, proof_of
from users.factors.models import Challenge
from users.factors.verification import FactorProof, verify
from users.limits.guess_limits import client_of
from users.models import User

WRONG = "This is wrong, or was used before. Tries that are left: %d."
NEITHER = "Enter a code."


class FactorForm(forms.Form):
    """One field for an app's code or a recovery code, and one for a passkey."""

    code = forms.CharField(
        required=False,
        max_length=32,
        label="Code",
        help_text="Of your authenticator app, or a recovery code.",
        widget=forms.TextInput(
            {
                "autocomplete": "one-time-code",
                "autofocus": True,
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )
    credential = CredentialField(required=False)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if not self.errors and not data["code"] and not data["credential"]:
            raise ValidationError(NEITHER, "required")
        return data

    def proof(self, challenge: Challenge) -> FactorProof:
        data, signed = self.cleaned_data, bytes(challenge.challenge)
        return proof_of(data["code"], data["credential"], signed)


class TrustForm(FactorForm):
    trust_device = forms.BooleanField(
        required=False, label="Do not ask for it on this device for 30 days"
    )


class PasskeyForm(forms.Form):
    credential = CredentialField()


class FactorPage(AdminFormPage):
    """Asks the user of a challenge for a factor. Takes at most five answers."""

    use: Use
    challenge: Any  # a Challenge, with its user
    form_class = FactorForm
    template_name = "admin/factors/question.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.challenge = challenges.find(request, self.use)
        if self.challenge is None:
            return self.start_over()
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.challenge = challenges.attempt(request, self.use)
        if self.challenge is None:
            return self.start_over()
        return super().post(request, *args, **kwargs)

    def start_over(self) -> HttpResponse:
        """Raises TokenInvalid, since there is no live challenge."""
        raise TokenInvalid

    def form_valid(self, form: Any) -> HttpResponse:
        """Raises RateLimited. Raises TokenInvalid if the user has changed meanwhile."""
        challenge, client = self.challenge, client_of(self.request)
        proof, epoch = form.proof(challenge), challenge.session_epoch
        is_step_up = self.use == Use.STEP_UP
        sid = self.request.session.session_key if is_step_up else None
        try:
            amr = verify(challenge.user, proof, client, epoch, sid)
        except SecondFactorInvalid:
            left = challenges.MOST_ATTEMPTS - challenge.attempts
            return self.refuse(form, WRONG % left)
        if not challenges.consume(challenge):
            return self.start_over()
        answer = self.succeed(challenge.user, amr, form)
        challenges.delete_cookie(answer)
        return answer

    def succeed(self, user: User, amr: list[str], form: Any) -> HttpResponse:
        raise NotImplementedError

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Adds the options of the passkey request if the user has a passkey."""
        user = User.objects.find(id=self.challenge.user_id, factors=True)
        passkeys = policy.passkeys(user) if user else []
        signed = bytes(self.challenge.challenge)
        options = json.dumps(request_options(signed, passkeys)) if passkeys else ""
        return super().get_context_data(passkey=options, **kwargs)
