"""Fields of forms that ask for a second factor."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from users.factors.verification import FactorProof

TOTP_DIGITS = 6


class CredentialField(forms.CharField):
    """The JSON of a browser's passkey, which our script sends."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ValidationError(_("No passkey was sent."), code="invalid")
        return found


def proof_of(code: str, credential: Any, challenge: bytes) -> FactorProof:
    """The proof by a passkey, or by the text: a code of the app or a recovery code."""
    if credential:
        return FactorProof(passkey=credential, challenge=challenge)
    typed = code.replace(" ", "")
    if len(typed) == TOTP_DIGITS:
        return FactorProof(totp=typed)
    return FactorProof(recovery_code=typed)
