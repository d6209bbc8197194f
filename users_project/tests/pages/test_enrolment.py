"""The page that sets up the first second factor, as a browser without scripts sees it;
and with the script of passkeys."""

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.core import signing
from django.utils import timezone

from shared.tests.authenticator import Authenticator
from tests.factories import PASSWORD, WRONG, UserFactory
from tests.factors.conftest import ORIGIN, registered
from tests.factors.rows import TOTP
from tests.factors.totp_factors import code
from tests.pages.conftest import body_of, passkey_options
from tests.pages.texts import heading, languages, titles
from users.accounts import links
from users.accounts.models import Link, Purpose
from users.factors import enrolment, recovery_codes
from users.factors.models import Factor, RecoveryCode
from users.mail.models import Mail
from users.pages import second_step

pytestmark = pytest.mark.usefixtures("factor_site")
CODE = re.compile(r"<li><code>([0-9A-Z-]{19})</code></li>")


@pytest.fixture
def ada():
    return UserFactory(email="ada@example.org", email_verified_at=timezone.now())


@pytest.fixture
def url(ada):
    return f"/account/factors/enrol?token={enrolment.code_for(ada)}"


@pytest.fixture
def opened(reader, url):
    """The page, after the right password."""
    reader.open(url)
    assert reader.send(password=PASSWORD).status_code == 200
    return reader


def secret_of(reader):
    [found] = re.findall(r'<code class="key">([A-Z2-7]{32})</code>', reader.text)
    return found


def factors():
    return Factor.objects.filter(confirmed_at__isnull=False)


@languages
def test_password_and_code_set_up_an_app(ada, reader, pushes, url, locale):
    ada.locale = locale
    ada.save()
    title, done = titles(Purpose.ENROL, locale)
    page = reader.open(url)
    assert (page.status_code, heading(reader.text)) == (200, title)
    reader.send(password=PASSWORD)
    assert heading(reader.text) == title
    assert "<svg" in reader.text
    secret = secret_of(reader)
    assert f"secret={secret}" in unescape(reader.text)  # the link to an app
    answer = reader.send(code=code(secret=secret))
    assert (answer.status_code, heading(reader.text)) == (200, done)
    shown = CODE.findall(reader.text)
    assert len({*shown}) == 10
    assert [each.user for each in factors()] == [ada]
    assert all(recovery_codes.use(ada.pk, each) for each in shown)
    assert [mail.kind for mail in Mail.objects.all()] == ["factor_added"]
    before = ada.session_epoch
    ada.refresh_from_db()
    assert ada.session_epoch > before


@pytest.mark.parametrize(
    "page",
    [
        "{token}",
        "https://memo.example/account/factors/enrol?token={token}",
        "https://app.example.com/front-end.html#enrol={token}",
        "https://app.example.com/?token={token}&lang=de#enrol",
        "https://app.example.com/enrol/{token}/",
        "https://app.example.com/#/enrol-{token}",
        f"https://app.example.com/{'a' * 64}?enrol={{token}}",
    ],
)
def test_the_link_of_any_front_end_is_taken_as_a_whole(ada, reader, page):
    text = page.replace("{token}", enrolment.code_for(ada))
    answer = reader.get("/account/factors/enrol", {"token": f" {text}\n"})
    assert answer.status_code == 200


def test_the_link_works_once(opened, pushes, url):
    secret = secret_of(opened)
    form = opened.text
    opened.send(code=code(secret=secret))
    opened.text = form
    assert opened.send(code=code(1, secret)).status_code == 400
    assert heading(opened.text) == "This link does not work"
    assert opened.get(url).status_code == 400


def test_without_the_password_there_is_no_secret(reader, url):
    reader.open(url)
    assert reader.send(password=WRONG).status_code == 401
    assert not Factor.objects.exists()
    assert "<svg" not in reader.text


def test_a_wrong_code_asks_again_for_that_of_the_same_secret(opened, pushes):
    secret = secret_of(opened)
    for wrong in ("000000", "", code(4, secret)):
        assert opened.send(code=wrong).status_code == 400
        assert secret_of(opened) == secret
        assert "errorlist" in opened.text
    assert not factors().exists()
    opened.send(code=code(secret=secret))
    assert factors().count() == 1


@languages
def test_what_is_wrong_is_said_in_the_language_of_the_page(ada, reader, url, locale):
    ada.locale = locale
    ada.save()
    reader.open(url)
    reader.send(password=PASSWORD)
    reader.send(code="000000")
    said = {"en": "not a code of the new factor", "de": "kein Code des neuen Faktors"}
    assert said[locale] in reader.text
    key = Authenticator("https://evil.example", "memo.example", count=1)
    body = body_of(reader, credential=created(reader, key))
    answer = reader.post("/account/factors/enrol", body)
    said = {"en": "no passkey for this request", "de": "kein Passkey für diese Anfrage"}
    assert said[locale] in answer.content.decode()


@pytest.mark.parametrize(
    "state",
    [
        "garbage",
        signing.dumps(["another link", "id"], salt=second_step.SALT),
        None,  # of another user's factor
    ],
)
def test_the_second_step_alone_is_none(ada, reader, url, state):
    other = Factor.objects.create(user=UserFactory(), **TOTP)
    reader.open(url)
    state = state or second_step.sign_state(Link.objects.get(), str(other.pk))
    body = {"token": url.partition("=")[2], "state": state, "code": "123456"}
    answer = reader.post("/account/factors/enrol", body)
    assert answer.status_code == 400
    assert 'type="password"' in answer.content.decode()
    assert not factors().exists()


def test_of_two_tabs_the_later_one_has_the_secret(opened, reader, pushes, url):
    """The other asks for the password again."""
    first = opened.text
    reader.open(url)
    reader.send(password=PASSWORD)
    second, reader.text = reader.text, first
    assert reader.send(code=code(secret=secret_of(reader))).status_code == 400
    reader.text = second
    assert reader.send(code=code(secret=secret_of(reader))).status_code == 200
    assert factors().count() == 1


def test_what_ends_sessions_meanwhile_voids_it(ada, opened, pushes):
    secret = secret_of(opened)
    ada.end_sessions()
    assert opened.send(code=code(secret=secret)).status_code == 400
    assert not factors().exists()


def test_who_has_a_factor_adds_none_here(ada, reader, url, pushes):
    reader.open(url)
    Factor.objects.create(user=ada, confirmed_at=timezone.now(), **TOTP)
    ada.raise_epoch("factor_added")
    assert reader.send(password=PASSWORD).status_code == 400
    assert heading(reader.text) == "This link does not work"


def test_opening_it_changes_nothing(reader, url, ada):
    for _ in range(3):
        assert reader.get(url).status_code == reader.head(url).status_code == 200
    assert not Factor.objects.exists()
    assert not Link.objects.filter(used_at__isnull=False).exists()


def test_what_the_page_carries(opened):
    """Nothing from elsewhere; one script, of our own; no style in it."""
    assert not re.findall(r"<style|style=|\son\w+=|https?://", opened.text)
    assert len(re.findall("<script", opened.text)) == 1
    codes = opened.send(code=code(secret=secret_of(opened)))
    assert codes["Cache-Control"] == "no-store"
    assert "<script" not in opened.text


# Passkeys


def created(reader, key):
    return json.dumps(key.create(passkey_options(reader)))


def test_a_passkey_instead_of_an_app(ada, opened, pushes):
    key = Authenticator(ORIGIN, "memo.example", count=1)
    body = body_of(opened, credential=created(opened, key))
    answer = opened.post("/account/factors/enrol", body)
    assert answer.status_code == 200
    assert len(CODE.findall(answer.content.decode())) == 10
    assert [each.type for each in factors()] == ["passkey"]
    assert RecoveryCode.objects.filter(user=ada).count() == 10


@pytest.mark.parametrize("sent", ["x", '{"id": 7}', "another site", "another user"])
def test_what_is_no_passkey_is_an_error_of_the_form(ada, opened, sent):
    if sent == "another site":
        key = Authenticator("https://evil.example", "memo.example", count=1)
        sent = created(opened, key)
    elif sent == "another user":  # has a passkey with this id
        key = Authenticator(ORIGIN, "memo.example", count=1)
        registered(UserFactory(), key)
        sent = created(opened, key)
    body = body_of(opened, credential=sent)
    answer = opened.post("/account/factors/enrol", body)
    assert answer.status_code == 400
    assert '<div role="alert">' in answer.content.decode()
    assert not Factor.objects.filter(user=ada, confirmed_at__isnull=False).exists()


def test_a_code_that_was_handed_over_lives_for_a_day(ada):
    token = enrolment.code_for(ada)
    link = links.find(token, Purpose.ENROL)
    left = link.expires_at - timezone.now()
    assert timedelta(hours=23) < left <= timedelta(days=1)
