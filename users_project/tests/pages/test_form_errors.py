"""What a form says of what was entered, in both languages, and with which status."""

import re

import pytest

from tests.factories import NEW, PASSWORD, WRONG, UserFactory
from tests.pages.conftest import NEW_EMAIL, REQUEST
from tests.pages.texts import ENTERED, TITLES, heading, languages
from users.accounts.models import Purpose
from users.models import User

pytestmark = pytest.mark.usefixtures("quick")
TAKEN = {"username": "Taken", "password": PASSWORD}
REQUIRED = {"en": "This field is required.", "de": "Dieses Feld ist zwingend"}
SHORT = {
    "en": "The password must have 8 to 128 characters.",
    "de": "Das Passwort muss 8 bis 128 Zeichen haben.",
}
WRONG_PASSWORD = {
    "en": "This is not the password of the account.",
    "de": "Das ist nicht das Passwort des Kontos.",
}
OBVIOUS = {
    "en": "The password can&#x27;t be made of your own",
    "de": "Das Passwort darf nicht aus Ihrem Namen",
}
WEAK = {
    "en": "The password must not be easy to guess",
    "de": "Das Passwort darf nicht leicht zu erraten sein",
}
LONG = {"en": "at most 128 characters", "de": "höchstens 128 Zeichen"}
NAME = {"en": "3 to 50 letters", "de": "3 bis 50 Buchstaben"}
RESERVED = {"en": "This username is reserved", "de": "Benutzername ist reserviert"}
ID = {"en": "must not look like an id", "de": "darf nicht wie eine Id aussehen"}
NAME_TAKEN = {"en": "The username is taken", "de": "Der Benutzername ist vergeben"}
ADDRESS_TAKEN = {
    "en": "Another account has this e-mail address",
    "de": "Ein anderes Konto hat inzwischen diese E-Mail-Adresse",
}
P = Purpose
# Purpose, what is entered, status, the field of the error, its text by language.
REFUSED = [
    (P.REGISTER, {"password": ""}, 400, "password", REQUIRED),
    (P.REGISTER, {"username": "", "password": NEW}, 400, "username", REQUIRED),
    (P.REGISTER, {"username": "a b", "password": NEW}, 400, "username", NAME),
    (P.REGISTER, {"username": "admin", "password": NEW}, 400, "username", RESERVED),
    (P.REGISTER, {"username": "f" * 32, "password": NEW}, 400, "username", ID),
    (P.REGISTER, TAKEN, 409, "username", NAME_TAKEN),
    (P.REGISTER, {"password": "short"}, 400, "password", SHORT),
    (P.REGISTER, {"password": "x" * 129}, 400, "password", LONG),
    (P.REGISTER, {"password": "Ada-2026-ada"}, 400, "password", OBVIOUS),
    (P.RESET, {"new_password": ""}, 400, "new_password", REQUIRED),
    (P.RESET, {"new_password": "short"}, 400, "new_password", SHORT),
    (P.RESET, {"new_password": "qwertyuiop1"}, 400, "new_password", WEAK),
    (P.VERIFY, {"password": ""}, 400, "password", REQUIRED),
    (P.VERIFY, {"password": WRONG}, 401, "password", WRONG_PASSWORD),
    (P.CHANGE_EMAIL, {"password": ""}, 400, "password", REQUIRED),
    (P.CHANGE_EMAIL, {"password": WRONG}, 401, "password", WRONG_PASSWORD),
]


@languages
@pytest.mark.parametrize(("purpose", "entered", "status", "field", "texts"), REFUSED)
def test_an_error_is_next_to_its_field_and_the_link_stays_good(
    reader, link_for, locale, purpose, entered, status, field, texts
):
    UserFactory(username="taken")
    reader.open(link_for(purpose, locale))
    answer = reader.send(**entered)
    assert answer.status_code == status
    assert ("WWW-Authenticate" in answer) == (status == 401)
    assert heading(reader.text) == TITLES[locale][purpose][0]
    (title,) = re.findall("<title>(.*)</title>", reader.text)
    assert title.startswith({"en": "Error: ", "de": "Fehler: "}[locale])
    (error,) = re.findall(
        rf'<ul class="errorlist" id="id_{field}_error"><li>(.*)</li></ul>', reader.text
    )
    assert texts[locale] in error
    (tag,) = re.findall(rf'<input [^>]*id="id_{field}"[^>]*>', reader.text)
    assert 'aria-invalid="true"' in tag
    assert f"id_{field}_error" in re.findall('aria-describedby="([^"]*)"', tag)[0]
    for password in (entered.get("password"), entered.get("new_password")):
        assert not password or f'value="{password}"' not in reader.text
    assert reader.send(**{"username": "Ada", **ENTERED[purpose]}).status_code == 303


@languages
@pytest.mark.parametrize("purpose", [P.CHANGE_EMAIL, P.UNDO_EMAIL])
def test_an_address_that_is_taken_is_an_error_of_the_form(
    reader, link_for, locale, purpose
):
    ada = UserFactory(email="ada@example.org", locale=locale)
    reader.open(link_for(purpose, locale, user=ada))
    if purpose == P.UNDO_EMAIL:
        moved = "moved@example.org"
        User.objects.filter(pk=ada.pk).update(email=moved, email_canonical=moved)
        UserFactory(email="ada@example.org")
    else:
        UserFactory(email=NEW_EMAIL)
    assert reader.send(**ENTERED[purpose]).status_code == 409
    (alert,) = re.findall('<div role="alert">(.*?)</div>', reader.text, re.S)
    assert ADDRESS_TAKEN[locale] in alert


def test_five_wrong_passwords_void_the_link(reader, link_for):
    reader.open(link_for(P.VERIFY))
    for _ in range(5):
        assert reader.send(password=WRONG).status_code == 401
    assert reader.send(password=PASSWORD).status_code == 400
    assert heading(reader.text) == "This link does not work"
    assert not User.objects.get().email_verified


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
