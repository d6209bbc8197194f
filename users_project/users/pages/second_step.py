"""The second factor, on account pages that ask for a password. They reveal whether the
account has one only after the right password."""

import json
from secrets import token_urlsafe
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from shared.api.exceptions import LinkInvalid
from shared.auth.passkeys import request_options
from users.accounts import links
from users.accounts.models import Link
from users.accounts.proofs import Proof
from users.factors import policy
from users.factors.forms import CredentialField, proof_of
from users.limits.guess_limits import Client
from users.models import User
from users.pages.forms import PAGES, LinkForm, name_field

INTRO = _(
    "Enter a code of your authenticator app or a recovery code, or use your passkey."
)
SALT = "users.pages.steps"
MAX_AGE = 600  # seconds


def sign_state(link: Link, value: str = "") -> str:
    """Sign `value` as proof that the password of the link's account was right. The form
    carries the text to the next step, since the pages have no session."""
    return signing.dumps([str(link.pk), value], salt=SALT)


def read_state(link: Link, text: str) -> str | None:
    """The value of `sign_state`. None if it is expired or not signed for this link."""
    try:
        link_id, value = signing.loads(text, salt=SALT, max_age=MAX_AGE)
    except signing.BadSignature:
        return None
    return str(value) if link_id == str(link.pk) else None


class CodeForm(LinkForm):
    """Asks for a code or a passkey. Our script fills in the passkey's answer. `state`
    comes from the step before (`sign_state`)."""

    state = forms.CharField(widget=forms.HiddenInput)
    code = name_field(
        _("One-time code"), "one-time-code", required=False, max_length=32
    )
    credential = CredentialField(required=False)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if not self.errors and not data["code"] and not data["credential"]:
            required = self.fields["code"].error_messages["required"]
            self.add_error("code", ValidationError(required, code="required"))
        return data

    def add_error(self, field: str | None, error: Any) -> None:
        """Report a passkey's error for the whole form, since its field is hidden."""
        super().add_error(None if field == "credential" else field, error)


class FactorForm(CodeForm):
    """The second factor after the right password. `state` carries the challenge."""

    def submit(self, client: Client) -> None:
        data, link = self.cleaned_data, self.link
        challenge = read_state(link, data["state"])
        if challenge is None:
            raise LinkInvalid
        factor = proof_of(data["code"], data["credential"], challenge.encode())
        proof = Proof(user_id=link.user_id, factor=factor)
        PAGES[link.purpose].service(data["token"], proof, client)


def first_form(link: Link) -> FactorForm:
    """The form that asks for the second factor, with a new challenge."""
    state = sign_state(link, token_urlsafe(32))
    return FactorForm(initial={"token": links.token_of(link), "state": state})


def passkey_options(link: Link, form: FactorForm) -> str:
    """The options of the passkey request, as JSON. Empty if the user has no passkey."""
    user = User.objects.find(id=link.user_id, factors=True)
    passkeys = policy.passkeys(user) if user else []
    challenge = read_state(link, form["state"].value())
    if not passkeys or challenge is None:
        return ""
    return json.dumps(request_options(challenge.encode(), passkeys))
