"""What the pages are sent and say, in each language."""

import re

import pytest

from tests.factories import NEW, PASSWORD
from users.accounts.models import Purpose

languages = pytest.mark.parametrize("locale", ["en", "de"])
# What the form of each needs.
ENTERED = {
    Purpose.REGISTER: {"password": PASSWORD},
    Purpose.VERIFY: {"password": PASSWORD},
    Purpose.RESET: {"new_password": NEW},
    Purpose.CHANGE_EMAIL: {"password": PASSWORD},
    Purpose.UNDO_EMAIL: {},
    Purpose.RESTORE: {},
    Purpose.KEEP_FACTORS: {},
}
TITLES = {
    "en": {
        Purpose.REGISTER: ("Finish your registration", "Your account is ready"),
        Purpose.VERIFY: (
            "Confirm your e-mail address",
            "Your e-mail address is confirmed",
        ),
        Purpose.RESET: ("Choose a new password", "Your password is changed"),
        Purpose.CHANGE_EMAIL: (
            "Confirm your new e-mail address",
            "Your e-mail address has changed",
        ),
        Purpose.UNDO_EMAIL: (
            "Undo the change of your e-mail address",
            "The change is undone",
        ),
        Purpose.RESTORE: ("Restore your account", "Your account is restored"),
        Purpose.KEEP_FACTORS: (
            "Keep your second factors",
            "Your second factors are kept",
        ),
    },
    "de": {
        Purpose.REGISTER: (
            "Schließen Sie Ihre Registrierung ab",
            "Ihr Konto ist bereit",
        ),
        Purpose.VERIFY: (
            "Bestätigen Sie Ihre E-Mail-Adresse",
            "Ihre E-Mail-Adresse ist bestätigt",
        ),
        Purpose.RESET: ("Neues Passwort wählen", "Ihr Passwort ist geändert"),
        Purpose.CHANGE_EMAIL: (
            "Bestätigen Sie Ihre neue E-Mail-Adresse",
            "Ihre E-Mail-Adresse ist geändert",
        ),
        Purpose.UNDO_EMAIL: (
            "Änderung Ihrer E-Mail-Adresse rückgängig machen",
            "Die Änderung ist rückgängig gemacht",
        ),
        Purpose.RESTORE: (
            "Konto wiederherstellen",
            "Ihr Konto ist wiederhergestellt",
        ),
        Purpose.KEEP_FACTORS: (
            "Behalten Sie Ihre zweiten Faktoren",
            "Ihre zweiten Faktoren bleiben",
        ),
    },
}


def heading(text):
    """The one of the page."""
    (found,) = re.findall(r"<h1>(.*)</h1>", text)
    return found
