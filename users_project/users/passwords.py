"""Which passwords are accepted (PWD-01, PWD-03). No rules of composition."""

import re
from typing import Any

from django.conf import settings
from django.contrib.auth import password_validation
from django.core.exceptions import ImproperlyConfigured, ValidationError

FLOOR = 8  # NIST SP 800-63B-4, section 3.1.1.2
MAX_LENGTH = 128

# Words that are easy to think of here: documented, as ASVS 5.0 6.1.2 asks.
CONTEXT_WORDS = ("memo", "memoproduct", "memoservice")


class LengthValidator:
    """PASSWORD_MIN_LENGTH to MAX_LENGTH, counted in Unicode code points."""

    def __init__(self) -> None:
        self.min_length: int = settings.PASSWORD_MIN_LENGTH
        if not FLOOR <= self.min_length <= MAX_LENGTH:
            raise ImproperlyConfigured(
                f"PASSWORD_MIN_LENGTH is {self.min_length}, "
                f"it must be {FLOOR} to {MAX_LENGTH}."
            )

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) < self.min_length:
            raise ValidationError(self.get_help_text(), code="password_too_short")
        if len(password) > MAX_LENGTH:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return f"The password must have {self.min_length} to {MAX_LENGTH} characters."


class CommonPasswordValidator(password_validation.CommonPasswordValidator):
    """Django's list, compared whole: spaces count as part of a password.

    Without its list there is no start (ASVS 5.0 6.2.4).
    """

    def __init__(self) -> None:
        try:
            super().__init__()
        except OSError as exc:
            message = "The list of common passwords of Django cannot be read."
            raise ImproperlyConfigured(message) from exc

    def validate(self, password: str, user: Any = None) -> None:
        if password.casefold() in self.passwords:
            raise ValidationError(self.get_error_message(), code="password_too_common")


class ContextValidator:
    """Refuses the service's name, the username and the e-mail address's local part,
    also with digits and signs around their letters (`Memo-2026!`)."""

    def validate(self, password: str, user: Any = None) -> None:
        own = (user.username, user.email.partition("@")[0]) if user else ()
        words = {word.casefold() for word in (*CONTEXT_WORDS, *own)}
        bare = {letters(word) for word in words} - {""}
        if password.casefold() in words or letters(password) in bare:
            raise ValidationError(self.get_help_text(), code="password_too_obvious")

    def get_help_text(self) -> str:
        return "The password can't be made of your own or this service's name."


def letters(text: str) -> str:
    """What is left of `text` without case, digits and signs."""
    return re.sub(r"[\W\d_]", "", text.casefold())
