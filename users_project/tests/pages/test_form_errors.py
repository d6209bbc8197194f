"""What a form says of what was entered, in both languages, and with which status."""

import re

import pytest

from tests.factories import NEW, PASSWORD, WRONG, UserFactory
from tests.pages.conftest import NEW_EMAIL, REQUEST
from tests.pages.texts import ENTERED, heading, languages, titles
from users.accounts.models import Purpose
from users.models import User

pytestmark = pytest.mark.usefixtures("quick")
TAKEN = {"username": "Taken", "password": PASSWORD}
REQUIRED = "This field is required."
SHORT = "The password must have 8 to 128 characters."
WRONG_PASSWORD = "This is not the password of the account."
P = Purpose
# Purpose, what is entered, status, the field of the error, its text.
REFUSED = [
    (P.REGISTER, {"password": ""}, 400, "password", REQUIRED),
    (P.REGISTER, {"username": "", "password": NEW}, 400, "username", REQUIRED),
    (P.REGISTER, {"username": "a b", "password": NEW}, 400, "username", "3 to 50"),
    (P.REGISTER, {"username": "admin", "password": NEW}, 400, "username", "reserved"),
    (P.REGISTER, {"username": "f" * 32, "password": NEW}, 400, "username", "an id"),
    (P.REGISTER, TAKEN, 409, "username", "The username is taken"),
    (P.REGISTER, {"password": "short"}, 400, "password", SHORT),
    (P.REGISTER, {"password": "x" * 129}, 400, "password", "at most 128 characters"),
    (P.REGISTER, {"password": "Ada-2026-ada"}, 400, "password", "made of your own"),
    (P.RESET, {"new_password": "short"}, 400, "new_password", SHORT),
    (P.RESET, {"new_password": "qwertyuiop1"}, 400, "new_password", "easy to guess"),
    (P.VERIFY, {"password": ""}, 400, "password", REQUIRED),
    (P.VERIFY, {"password": WRONG}, 401, "password", WRONG_PASSWORD),
    (P.CHANGE_EMAIL, {"password": WRONG}, 401, "password", WRONG_PASSWORD),
]
# An error of Django's, one of a service, and one with numbers. That all of our texts
# are translated is tested in test_translations.py.
GERMAN = [
    (P.RESET, {"new_password": ""}, 400, "new_password", "Dieses Feld ist zwingend"),
    (P.VERIFY, {"password": WRONG}, 401, "password", "nicht das Passwort des Kontos"),
    (P.REGISTER, {"password": "short"}, 400, "password", "muss 8 bis 128 Zeichen"),
]


@pytest.mark.parametrize(
    ("locale", "purpose", "entered", "status", "field", "text"),
    [*(("en", *row) for row in REFUSED), *(("de", *row) for row in GERMAN)],
)
def test_an_error_is_next_to_its_field_and_the_link_stays_good(
    reader, link_for, locale, purpose, entered, status, field, text
):
    UserFactory(username="taken")
    reader.open(link_for(purpose, locale))
    answer = reader.send(**entered)
    assert answer.status_code == status
    assert ("WWW-Authenticate" in answer) == (status == 401)
    assert not answer.cookies  # no device is known yet
    assert heading(reader.text) == titles(purpose, locale)[0]
    (title,) = re.findall("<title>(.*)</title>", reader.text)
    assert title.startswith({"en": "Error: ", "de": "Fehler: "}[locale])
    (error,) = re.findall(
        rf'<ul class="errorlist" id="id_{field}_error"><li>(.*)</li></ul>', reader.text
    )
    assert text in error
    (tag,) = re.findall(rf'<input [^>]*id="id_{field}"[^>]*>', reader.text)
    assert 'aria-invalid="true"' in tag
    assert f"id_{field}_error" in re.findall('aria-describedby="([^"]*)"', tag)[0]
    for password in (entered.get("password"), entered.get("new_password")):
        assert not password or f'value="{password}"' not in reader.text
    assert reader.send(**{"username": "Ada", **ENTERED[purpose]}).status_code == 303


@pytest.mark.parametrize("purpose", [P.CHANGE_EMAIL, P.UNDO_EMAIL])
def test_an_address_that_is_taken_is_an_error_of_the_form(
    reader, link_for, ada, purpose
):
    reader.open(link_for(purpose, user=ada))
    if purpose == P.UNDO_EMAIL:
        moved = "moved@example.org"
        User.objects.filter(pk=ada.pk).update(email=moved, email_canonical=moved)
        UserFactory(email="ada@example.org")
    else:
        UserFactory(email=NEW_EMAIL)
    assert reader.send(**ENTERED[purpose]).status_code == 409
    (alert,) = re.findall('<div role="alert">(.*?)</div>', reader.text, re.S)
    assert "Another account has this e-mail address" in alert


@languages
def test_a_limit_is_a_page_that_says_how_long_to_wait(
    reader, limited, link_for, locale
):
    """That of the API: the two count together."""
    limited(LINK_LIMIT_ADDRESS="1/hour")
    german = {"accept-language": locale}
    assert reader.post(REQUEST, {"email": "a@example.org"}).status_code == 303
    answer = reader.post(REQUEST, {"email": "a@example.org"}, headers=german)
    assert answer.status_code == 429
    assert 3500 < int(answer["Retry-After"]) <= 3600
    text = answer.content.decode()
    titles = {"en": "Too Many Requests", "de": "Zu viele Anfragen"}
    assert heading(text) == titles[locale]
    waits = {"en": "Try again in 60 minutes.", "de": "Warten Sie 60 Minuten"}
    assert waits[locale] in text
    reader.open(link_for(P.RESET, locale))
    assert reader.send(new_password=NEW).status_code == 429
    body = {"email": "a@example.org"}
    api = reader.post("/api/v1/users/password_reset", body, "application/json")
    assert api.status_code == 429
