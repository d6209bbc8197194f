"""The account pages as a browser without scripts sees them: what they say, what their
forms do, and what is refused."""

import re
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import Resolver404, resolve

from config import urls
from shared.auth import device_cookie
from tests.factories import NEW, PASSWORD, UserFactory
from tests.pages.conftest import NEW_EMAIL, PAGES, REQUEST
from tests.pages.texts import ENTERED, heading, languages, titles
from users.accounts import links
from users.accounts import urls as account_urls
from users.accounts.models import AddressRequest, Link, Purpose, Registration
from users.models import User
from users.pages import forms
from users.pages.texts import TEXTS

purposes = pytest.mark.parametrize("purpose", PAGES)


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
    title, done = titles(purpose, locale)
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
        is_proof = answer is sent and purpose in (Purpose.VERIFY, Purpose.CHANGE_EMAIL)
        names = {device_cookie.name()} if is_proof else set()
        assert {*answer.cookies} == names
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
    asked = AddressRequest.objects.values_list("kind", "address")
    assert [*asked] == [("reset", "ada@example.org"), ("reset", "eve@example.org")]
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
    url = link_for(Purpose.RESET)
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
def test_a_method_that_a_page_does_not_have_is_an_error(reader, link_for, locale):
    headers = {"accept-language": locale}
    page = reader.patch(link_for(Purpose.RESET), headers=headers)
    titles = {"en": "Method Not Allowed", "de": "Methode nicht erlaubt"}
    assert heading(page.content.decode()) == titles[locale]
    admin, start = reader.get("/admin/login/passkey/"), reader.post("/")
    assert "<h1>Method Not Allowed</h1>" in admin.content.decode()
    assert start.json()["code"] == "method_not_allowed"
    assert [each.status_code for each in (page, admin, start)] == [405] * 3
    allowed = [each["Allow"].split(", ")[0] for each in (page, admin, start)]
    assert allowed == ["GET", "POST", "GET"]


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


@pytest.mark.parametrize("has_mail", [True, False])
@pytest.mark.parametrize("has_pages", [True, False])
def test_without_mail_there_is_nothing_that_needs_it(
    reader, settings, has_mail, has_pages
):
    """Neither routes of the API nor, with ACCOUNT_PAGES, pages. The rest stays, as does
    the page of the first factor, to which the admin leads."""
    settings.MAIL_ENABLED, settings.ACCOUNT_PAGES = has_mail, has_pages
    spec = spec_from_file_location("routes", urls.__file__)
    routes = module_from_spec(spec)
    spec.loader.exec_module(routes)
    assert resolve("/", routes).func
    assert resolve("/api/v1/users/me", routes).func
    settings.ROOT_URLCONF = routes
    assert reader.get("/account/factors/enrol").status_code == 400
    pages = [f"account/{page}" for page in (*PAGES.values(), "reset/request", "done")]
    wanted = dict.fromkeys(pages, has_mail and has_pages)
    wanted |= {str(route.pattern): has_mail for route in account_urls.urlpatterns}
    for path, is_there in wanted.items():
        if is_there:
            assert resolve(f"/{path}", routes).func
        else:
            with pytest.raises(Resolver404):
                resolve(f"/{path}", routes)


def test_each_purpose_of_a_page_has_a_form_and_texts():
    assert {*PAGES} == forms.PAGES.keys()
    assert {*PAGES, Purpose.ENROL, "request"} == TEXTS.keys()
