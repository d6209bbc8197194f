"""What mails say: each kind, in each language, also where something is missing."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.template import engines
from django.utils import timezone, translation

from users.accounts.models import LINK_KINDS, Purpose
from users.mail.message import HELPED, compose, context_of, render
from users.mail.models import LINKED, Kind, Mail

PROJECT = Path(__file__).parents[2]
TEMPLATES = PROJECT / "users" / "templates" / "mail"
LANGUAGES = [code for code, _ in settings.LANGUAGES]
NOW = timezone.now()
CONTEXT = {
    "url": "https://memo.example/account/reset?token=t0ken",
    "expires": NOW,
    "device": "Firefox on Linux",
    "network": "192.0.2.0/24",
    "time": NOW,
    "site": "https://memo.example",
}
SHARED = {"layout", "factor_change"}  # what others extend
WITHOUT_LINK = {Kind.DEACTIVATED}
MISSING = "!!missing %s!!"


class Outline(HTMLParser):
    """The tags, addresses and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.open, self.text = [], [], [], ""
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.addresses += [v for n, v in attrs if n in ("href", "src", "action")]
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def rendered(kind, locale, **context):
    with translation.override(locale):
        return render(kind, {**context, "locale": locale})


@pytest.fixture
def loud():
    """A variable that a template asks for and does not get is in its text."""
    engine = engines["django"].engine
    before, engine.string_if_invalid = engine.string_if_invalid, MISSING
    yield
    engine.string_if_invalid = before


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", Kind)
def test_a_mail_says_all_in_text_and_in_html(loud, kind, locale):
    subject, text, html = rendered(kind, locale, **CONTEXT)
    page = Outline(html)

    assert subject == subject.strip()
    assert "\n" not in subject
    assert len(subject) < 60
    assert "missing" not in subject + text + html
    for part in (text, page.text):
        for name in ("device", "network", "site"):
            assert CONTEXT[name] in part
        assert str(NOW.year) in part
        assert "UTC" in part
    assert not re.search(r"[<>{}%]|&\w+;|\n\n\n", text)
    assert max(map(len, text.splitlines())) <= 76
    # Each paragraph is in both.
    words = " ".join(page.text.split())
    for paragraph in text.split("\n\n")[:1]:
        assert " ".join(paragraph.split()) in words


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", Kind)
def test_its_html_is_accessible_and_leads_to_us_alone(kind, locale):
    _, _, html = rendered(kind, locale, **CONTEXT)
    page = Outline(html)

    assert dict(page.tags)["html"] == {"lang": locale}
    assert (page.count("title"), page.count("h1"), page.count("main")) == (1, 1, 1)
    assert {*page.addresses} == {CONTEXT["url"]}
    names = {tag for tag, _ in page.tags}
    assert not names & {"img", "script", "link", "iframe", "form", "object", "style"}
    assert "url(" not in html
    if kind not in WITHOUT_LINK:
        assert page.count("a") == 2
        button = re.search(r"<a [^>]*>([^<]+)</a>", html)[1]
        assert button.strip()


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", Kind)
def test_what_is_missing_is_left_out(kind, locale):
    """With its label, and no text speaks of it as if it were there."""
    labels = {"device": ("Device:", "Gerät:"), "network": ("Network:", "Netzwerk:")}
    labels["time"] = ("Time:", "Zeit:")
    for name in [*CONTEXT, "all"]:
        context = {k: v for k, v in CONTEXT.items() if name not in (k, "all")}
        subject, text, html = rendered(kind, locale, **context)
        assert subject
        assert Outline(html).count("h1") == 1
        assert "None" not in text + html
        for label in labels.get(name, ()):
            assert label not in text
        if name in ("url", "all"):
            assert "token" not in text + html
            assert Outline(html).count("a") == 0
        if name in ("expires", "all"):
            assert "works once" not in text
            assert "gilt einmal" not in text


@pytest.mark.parametrize("kind", sorted(LINKED))
def test_a_mail_that_is_about_its_link_is_not_sent_without(kind):
    mail = Mail(kind=kind, address="ada@example.org", locale="en")
    with pytest.raises(ValueError, match="without a link"):
        compose(mail)


def test_text_of_a_client_is_quoted_in_html_alone():
    device = "<b>Fire & fox</b>"
    _, text, html = rendered(Kind.NEW_DEVICE, "en", **CONTEXT | {"device": device})
    assert device in text
    assert "&lt;b&gt;Fire &amp; fox&lt;/b&gt;" in html
    assert device not in html


def test_every_purpose_has_a_page():
    assert LINK_KINDS.keys() == set(Purpose)
    assert {kind.page for kind in LINK_KINDS.values()} == settings.ACCOUNT_URLS.keys()


@pytest.mark.parametrize(("locale", "said"), [("en", "weeks"), ("de", "Wochen")])
def test_wrong_codes_need_not_be_of_today(locale, said):
    """Each counts for thirty days, and the fifth may be the owner's own."""
    assert said in rendered(Kind.FACTOR_GUESSES, locale, **CONTEXT)[1]


@pytest.mark.parametrize("has_pages", [True, False])
def test_notices_lead_to_our_page_if_there_is_one(settings, has_pages):
    settings.ACCOUNT_PAGES = has_pages
    for kind in set(Kind) - LINKED:
        context = context_of(Mail(kind=kind, locale="en", created_at=NOW))
        assert bool(context.get("url")) == (has_pages and kind in HELPED)


def test_a_notice_that_advises_another_password_leads_to_it():
    for kind in set(Kind) - LINKED - WITHOUT_LINK:
        _, text, _ = rendered(kind, "en", **CONTEXT)
        assert ("Choose a new password:" in text) == (kind in HELPED), kind


def test_every_kind_has_a_template_and_no_other_has():
    assert {p.stem for p in TEMPLATES.iterdir()} == {*Kind.values, *SHARED}


@pytest.mark.parametrize(("password", "says"), [(None, True), ("a password", False)])
def test_a_password_stays_where_there_is_one(bob, reset_mail, password, says):
    """Where a change of the address was undone, the old one is refused."""
    bob.set_password(password)
    bob.save()
    text = " ".join(compose(reset_mail()).body.split())
    assert ("Ihr Konto hat kein Passwort." in text) == says
    assert ("Ihr Passwort bleibt, wie es ist." in text) != says
