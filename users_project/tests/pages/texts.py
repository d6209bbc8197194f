"""What the pages are sent and say, in each language."""

import re

import pytest
from django.utils import translation

from tests.factories import NEW, PASSWORD
from users.accounts.models import Purpose
from users.pages.texts import TEXTS

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


def titles(purpose, locale):
    """Of the page of a link, and of the one that follows."""
    with translation.override(locale):
        return str(TEXTS[purpose].title), str(TEXTS[purpose].done)


def heading(text):
    """The one of the page."""
    (found,) = re.findall(r"<h1>(.*)</h1>", text)
    return found
