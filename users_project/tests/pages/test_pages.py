"""The account pages as a browser without scripts sees them: what they say, what their
forms do, and what is refused."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import NEW, PASSWORD, WRONG, UserFactory
from tests.pages.conftest import NEW_EMAIL, PAGES, REQUEST
from users.accounts import links
from users.accounts.models import AddressRequest, Link, Purpose, Registration
from users.models import User
from users.pages.forms import FORMS
from users.pages.texts import TEXTS

purposes = pytest.mark.parametrize("purpose", PAGES)
languages = pytest.mark.parametrize("locale", ["en", "de"])
# What the form of each needs.
ENTERED = {
    Purpose.REGISTER: {"password": PASSWORD},
    Purpose.VERIFY: {"password": PASSWORD},
    Purpose.RESET: {"new_password": NEW},
    Purpose.CHANGE_EMAIL: {"password": PASSWORD},
    Purpose.UNDO_EMAIL: {},
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
    },
}


def heading(text):
    """The one of the page."""
    (found,) = re.findall(r"<h1>(.*)</h1>", text)
    return found


def state():
    return [list(model.objects.values()) for model in (Link, Registration, User)]


@languages
@purposes
def test_a_page_says_what_will_happen_and_its_button_does_it(
    reader, link_for, purpose, locale
):
    """In the language of the user, whatever the browser's; the page that follows has
    no token in its address."""
    page = reader.open(link_for(purpose, locale), accept_language="fr")
    title, done = TITLES[locale][purpose]
    assert (page.status_code, heading(reader.text)) == (200, title)
    assert f'<html lang="{locale}">' in reader.text
    answer = reader.send(**ENTERED[purpose])
    assert answer.status_code == 303, reader.text
    assert answer["Location"] == f"/account/done?what={purpose}&lang={locale}"
    assert "token" not in answer["Location"]
    reader.open(answer["Location"], accept_language="fr")
    assert heading(reader.text) == done
    assert Link.objects.get(purpose=purpose).used_at


def test_what_the_forms_do(reader, link_for):
    """One account, from its registration to another address and back."""
    reader.open(link_for(Purpose.REGISTER))
    assert 'value="Ada"' in reader.text
    reader.send(username="Countess", password=PASSWORD)
    ada = User.objects.get()
    assert (ada.username, ada.email) == ("Countess", "Ada@example.org")
    assert ada.email_verified
    assert ada.check_password(PASSWORD)
    reader.open(link_for(Purpose.RESET, user=ada))
    reader.send(new_password=f" {NEW} ")
    ada.refresh_from_db()
    assert ada.check_password(f" {NEW} ")
    reader.open(link_for(Purpose.CHANGE_EMAIL, user=ada))
    reader.send(password=f" {NEW} ")
    ada.refresh_from_db()
    assert ada.email == NEW_EMAIL
    undo = Link.objects.get(purpose=Purpose.UNDO_EMAIL)
    reader.open(f"/account/email/undo?token={links.token_of(undo)}")
    reader.send()
    ada.refresh_from_db()
    assert ada.email_canonical == "ada@example.org"
    assert not ada.has_usable_password()


@purposes
def test_a_scanner_that_opens_a_link_changes_nothing(reader, link_for, purpose):
    """GET and HEAD five times each; then the user's click still works."""
    url = link_for(purpose)
    before = state()
    with CaptureQueriesContext(connection) as queries:
        for _ in range(5):
            assert reader.get(url).status_code == 200
            assert reader.head(url).status_code == 200
    assert all(each["sql"].startswith("SELECT") for each in queries), queries
    assert state() == before
    reader.open(url)
    assert reader.send(**ENTERED[purpose]).status_code == 303


@purposes
def test_what_every_page_carries(reader, link_for, purpose):
    page = reader.open(link_for(purpose))
    sent = reader.send(**ENTERED[purpose])
    done = reader.open(sent["Location"])
    request, start, none = (reader.get(u) for u in (REQUEST, "/", "/account/verify"))
    for answer in (page, sent, done, request, start, none):
        assert answer["Cache-Control"] == "no-store"
        assert answer["Referrer-Policy"] == "same-origin"
        assert not answer.cookies
        text = answer.content.decode()
        assert not re.findall(r"<script|<style|style=|\son\w+=|https?://", text)


# ---- Links that do nothing -----------------------------------------------------------


@languages
@purposes
def test_every_link_that_does_nothing_gets_one_page(reader, link_for, purpose, locale):
    expired = link_for(purpose, user=UserFactory())
    Link.objects.update(expires_at=Link.objects.get().created_at)
    url = link_for(purpose)
    path, forged = url.partition("?")[0], url[:-3] + "AAA"
    reader.open(url)
    reader.send(**ENTERED[purpose])
    pages = set()
    for bad in (path, url, forged, expired, f"{path}?token=%00%ff"):
        answer = reader.open(bad, accept_language=locale)
        assert answer.status_code == 400
        request_id = answer["X-Request-ID"]
        pages.add(reader.text.replace(request_id, ""))
        body = {"token": bad.partition("=")[2], **ENTERED[purpose]}
        answer = reader.post(path, body, headers={"accept-language": locale})
        assert answer.status_code == 400
        text = answer.content.decode()
        pages.add(text.replace(answer["X-Request-ID"], ""))
    (page,) = pages
    expected = {"en": "This link does not work", "de": "Dieser Link funktioniert nicht"}
    assert heading(page) == expected[locale]
    assert REQUEST in page


def test_a_link_of_another_page_does_nothing(reader, link_for):
    query = link_for(Purpose.UNDO_EMAIL).partition("?")[2]
    for page in {*PAGES.values()} - {"email/undo"}:
        assert reader.open(f"/account/{page}?{query}").status_code == 400
    assert Link.objects.get().used_at is None


# ---- Errors in the form --------------------------------------------------------------

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
        User.objects.filter(pk=ada.pk).update(email_canonical="moved@example.org")
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


# ---- Asking for a mail ---------------------------------------------------------------


@languages
def test_a_mail_is_asked_for_without_saying_who_has_an_account(reader, locale):
    UserFactory(email="ada@example.org")
    answers = []
    for address in ("ada@example.org", "eve@example.org"):
        reader.open(REQUEST, accept_language=locale)
        answer = reader.post(
            REQUEST, {"email": address}, headers={"accept-language": locale}
        )
        answers.append((answer.status_code, answer["Location"]))
    assert answers == [(303, f"/account/done?what=request&lang={locale}")] * 2
    kinds = AddressRequest.objects.values_list("kind", "address", "locale")
    assert [*kinds] == [
        ("reset", "ada@example.org", locale), ("reset", "eve@example.org", locale)
    ]  # fmt: skip
    reader.open(answers[0][1])
    titles = {"en": "Look into your mailbox", "de": "Sehen Sie in Ihr Postfach"}
    assert heading(reader.text) == titles[locale]


@pytest.mark.parametrize("address", ["", "ada", "ä@example.org", "a@b", "a\0@b.org"])
def test_what_is_no_address_is_an_error(reader, address):
    reader.open(REQUEST)
    assert reader.send(email=address).status_code == 400
    assert 'id="id_email_error"' in reader.text
    assert not AddressRequest.objects.exists()


# ---- Other sites ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "https://other.memo.example"},
        {"sec-fetch-site": "none"},
    ],
)
def test_the_form_of_another_site_is_refused(reader, link_for, headers):
    url = link_for(P.RESET)
    path, _, query = url.partition("?")
    token = {"token": query.partition("=")[2], "new_password": NEW}
    for address, body in ((path, token), (REQUEST, {"email": "ada@example.org"})):
        answer = reader.post(address, body, headers=headers)
        assert answer.status_code == 403
        assert heading(answer.content.decode()) == "Forbidden"
    assert Link.objects.get().used_at is None
    assert not AddressRequest.objects.exists()
    here = {"sec-fetch-site": "same-origin", "origin": "http://testserver"}
    assert reader.post(path, token, headers=here).status_code == 303


# ---- Pages around --------------------------------------------------------------------


@pytest.mark.parametrize("what", ["", "nothing", "reset\0", "<b>"])
def test_no_other_thing_is_done(reader, what):
    answer = reader.get("/account/done", {"what": what, "lang": "xx"})
    assert (answer.status_code, heading(answer.content.decode())) == (404, "Not Found")


@languages
def test_the_start_page_names_what_there_is(reader, settings, locale):
    def named():
        reader.open("/", accept_language=locale)
        return re.findall('href="([^"]+)"', reader.text)[1:]

    docs = [f"/api/v1/{service}/docs" for service in ("users", "auth")]
    assert named() == [REQUEST, *docs, "/admin/"]
    assert f'<html lang="{locale}">' in reader.text
    settings.ACCOUNT_PAGES = settings.DOCS_ENABLED = False
    assert named() == ["/admin/"]


def test_each_purpose_of_a_page_has_a_form_and_texts():
    assert {*PAGES} == FORMS.keys()
    assert {*PAGES, "request"} == TEXTS.keys()
