"""Which passwords are accepted (PWD-01, PWD-03). No rules of composition."""

import re
import threading
from math import prod
from typing import Any

from django.conf import settings
from django.contrib.auth import password_validation
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.translation import gettext
from rest_framework.exceptions import ValidationError as InvalidInput
from rest_framework.fields import get_error_detail
from zxcvbn import zxcvbn
from zxcvbn.matching import L33T_TABLE

from users.passwords import hashing_pool
from users.validators import letters

FLOOR = 8  # NIST SP 800-63B-4, section 3.1.1.2
MAX_LENGTH = 128
SHORTEST_WORD = 3  # letters: shorter names may be part of a password
SCORED = 64  # characters: the time that a score takes grows with their square
# Ways to read signs as letters (`4` and `@` as a). Each takes a search of its own: with
# all signs there are hundreds, and a score takes seconds.
READINGS = 16

# zxcvbn keeps the user's words in a global variable.
scoring = threading.Lock()


def check(field: str, password: str, user: Any) -> None:
    """Raise DRF's ValidationError for `field` if a rule refuses this user's password.
    Also raises Overloaded."""
    try:
        password_validation.validate_password(password, user)
    except ValidationError as exc:
        raise InvalidInput({field: get_error_detail(exc)}) from exc


class LengthValidator:
    """PASSWORD_MIN_LENGTH to MAX_LENGTH, counted in Unicode code points."""

    def __init__(self) -> None:
        self.min_length: int = settings.PASSWORD_MIN_LENGTH
        if not FLOOR <= self.min_length <= MAX_LENGTH:
            raise ImproperlyConfigured(
                f"PASSWORD_MIN_LENGTH is {self.min_length}; "
                f"it must be from {FLOOR} to {MAX_LENGTH}."
            )

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) < self.min_length:
            raise ValidationError(self.get_help_text(), code="password_too_short")
        if len(password) > MAX_LENGTH:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        text = gettext("The password must have %(least)d to %(most)d characters.")
        return text % {"least": self.min_length, "most": MAX_LENGTH}


class CommonPasswordValidator(password_validation.CommonPasswordValidator):
    """Django's list, compared with the whole password: spaces count.

    The service does not start without the list (ASVS 5.0 6.2.4).
    """

    def __init__(self) -> None:
        try:
            super().__init__()
        except OSError as exc:
            message = "Django's list of common passwords cannot be read."
            raise ImproperlyConfigured(message) from exc

    def validate(self, password: str, user: Any = None) -> None:
        if password.casefold() in self.passwords:
            raise ValidationError(self.get_error_message(), code="password_too_common")


class ContextValidator:
    """Refuses passwords made of names of the service and the user, also of several, and
    with digits and signs around their letters (`Memo-2026!`)."""

    def validate(self, password: str, user: Any = None) -> None:
        words = {word.casefold() for word in own_words(user)}
        rest = bare = letters(password)
        for word in sorted(map(letters, words), key=len, reverse=True):
            if len(word) >= SHORTEST_WORD:
                rest = rest.replace(word, "")
        if password.casefold() in words or (bare and not rest):
            raise ValidationError(self.get_help_text(), code="password_too_obvious")

    def get_help_text(self) -> str:
        return gettext("The password can't be made of your own or this service's name.")


class ScoreValidator:
    """Refuses passwords that zxcvbn finds easy to guess (PASSWORD_MIN_SCORE): words,
    dates, rows of keys and repetitions, also with the usual signs for letters."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises Overloaded too: a score takes as long as a hash."""
        least = settings.PASSWORD_MIN_SCORE
        words = own_words(user)
        if least and hashing_pool.pool().run(score, password, words) < least:
            raise ValidationError(self.get_help_text(), code="password_too_weak")

    def get_help_text(self) -> str:
        return gettext(
            "The password must not be easy to guess: take several words that do not "
            "belong together, or let a password manager make one."
        )


def own_words(user: Any) -> list[str]:
    """Names of the service and the user, whole and in parts."""
    names = [getattr(user, name) for name in settings.NAMES] if user else []
    words = []
    for name in (*settings.PRODUCT_NAMES, *names):
        words += [name, name.partition("@")[0], *re.split(r"[\W\d_]+", name)]
    return [word for word in dict.fromkeys([*words, *map(letters, words)]) if word]


def score(password: str, words: list[str]) -> int:
    """From 0 to 4: how hard it is to guess, with these words as the first guesses."""
    with scoring:
        result: int = zxcvbn(scored_part(password), words)["score"]
    return result


def scored_part(password: str) -> str:
    """The longest beginning whose score takes no longer than a hash."""
    for length in range(1, min(len(password), SCORED) + 1):
        if readings(password[:length]) > READINGS:
            return password[: length - 1]
    return password[:SCORED]


def readings(text: str) -> int:
    """In how many ways zxcvbn reads the signs in `text` as letters."""
    found = (sum(sign in text for sign in signs) for signs in L33T_TABLE.values())
    return prod(max(count, 1) for count in found)
