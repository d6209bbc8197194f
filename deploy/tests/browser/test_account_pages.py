"""The account pages in a real browser: without JavaScript, 360 pixels wide, by keyboard
alone. axe-core looks at what a screen reader gets (WCAG 2.2)."""

from urllib.parse import urlsplit

import pytest

from deploy.tests.browser.account_links import make_links
from deploy.tests.client import LOGIN, PASSWORD, ApiClient
from deploy.tests.npm import npm_install
from deploy.tests.tls_stack import ELSEWHERE

NEW = "a newer horse battery"
AXE = "axe-core@4.14.1"
VIOLATIONS = """axe.run({resultTypes: ["violations"]}).then(found =>
    found.violations.map(each => each.id + ": " + each.nodes.map(n => n.html)))"""
HEADING = "document.querySelector('h1')?.textContent"
REFUSED = "!!document.querySelector('.errorlist')"
FOCUSED = "document.activeElement.name || document.activeElement.type"


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("axe")
    npm_install(folder, AXE)
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(params=["light", "dark"])
def page(request, browser):
    return account_page(browser, request.param)


def account_page(browser, scheme="light"):
    """A narrow tab without scripts."""
    page = browser.tab()
    size = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.call("Emulation.setDeviceMetricsOverride", **size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.call("Emulation.setEmulatedMedia", features=[feature])
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    return page


def send(page, *entered):
    """Tab from field to field and to the button, as they come; the names of what had
    the focus."""
    focused = []
    for text in (*entered, None):
        page.press("Tab")
        focused.append(page.run(FOCUSED))
        if text:
            page.run("document.activeElement.select()")
            page.type(text)
    page.press("Enter")
    return focused


def arrives(page, heading):
    arrived = f"{HEADING} === {heading!r}"
    page.wait_until(arrived, heading)


def assert_accessible(page, axe):
    """For a screen reader, and without scrolling to the side."""
    assert page.run("document.querySelectorAll('h1').length") == 1
    assert page.run("document.documentElement.scrollWidth") <= 360
    page.call("Emulation.setScriptExecutionDisabled", value=False)
    page.run(axe + "; 0")
    assert page.run(VIOLATIONS) == []
    page.call("Emulation.setScriptExecutionDisabled", value=True)


def logs_in(system, email, password):
    body = {"email": email, "password": password}
    return ApiClient(system.gateway_url).post(LOGIN, json=body).status_code


def test_a_user_finishes_all_that_mails_ask_for(system, page, browser, axe):
    """With a mistake in between, and no request to another origin."""
    name, tokens = make_links(system)
    site, email = f"{system.gateway_url}/account", f"{name}@example.org"
    visits = [
        # Page, purpose, what is entered, what had the focus, and where it leads.
        ("verify", "register", ["", PASSWORD], ["username", "password"],
         "Finish your registration", "Your account is ready"),
        ("verify", "verify", [PASSWORD], ["password"],
         "Confirm your e-mail address", "Your e-mail address is confirmed"),
        ("email", "change_email", [PASSWORD], ["password"],
         "Confirm your new e-mail address", "Your e-mail address has changed"),
    ]  # fmt: skip
    browser.events.clear()
    for path, purpose, entered, fields, title, done in visits:
        page.go(f"{site}/{path}?token={tokens[purpose]}")
        assert page.run(HEADING) == title
        assert_accessible(page, axe)
        page.go(f"{site}/{path}?token={tokens[purpose]}")
        wrong = [*entered[:-1], "short" if purpose == "register" else "wrong"]
        assert send(page, *wrong) == [*fields, "submit"]
        page.wait_until(REFUSED, f"error of {purpose}")
        assert "token" not in page.run("location.href")
        page.wait_until(f"({FOCUSED}) === 'password'", "the field that was wrong")
        assert_accessible(page, axe)
        page.run("document.activeElement.select()")
        page.type(PASSWORD)
        page.press("Enter")
        arrives(page, done)
        assert_accessible(page, axe)
    assert logs_in(system, f"new.{email}", PASSWORD) == 200
    assert logs_in(system, f"other.{email}", PASSWORD) == 200
    assert logs_in(system, email, PASSWORD) == 401
    asked = [event.get("params", {}).get("request") for event in browser.events]
    origins = {urlsplit(request["url"])[:2] for request in asked if request}
    assert origins == {urlsplit(site)[:2]}
    assert set(browser.cookies()) == {"device"}


def test_a_user_who_has_forgotten_the_password_sets_another(system, browser, axe):
    """In German, by the language of the account and of the browser."""
    name, tokens = make_links(system, "de")
    site, page = f"{system.gateway_url}/account", account_page(browser)
    languages = {"Accept-Language": "de-AT,de;q=0.9"}
    page.call("Network.setExtraHTTPHeaders", headers=languages)
    page.go(f"{site}/reset/request")
    assert send(page, f"{name}@example.org") == ["email", "submit"]
    arrives(page, "Sehen Sie in Ihr Postfach")
    page.go(f"{site}/reset?token={tokens['reset']}")
    assert page.run("document.documentElement.lang") == "de"
    assert_accessible(page, axe)
    page.go(f"{site}/reset?token={tokens['reset']}")
    assert send(page, NEW) == ["new_password", "submit"]
    arrives(page, "Ihr Passwort ist geändert")
    assert logs_in(system, f"{name}@example.org", NEW) == 200
    page.go(f"{site}/reset?token={tokens['reset']}")
    arrives(page, "Dieser Link funktioniert nicht")
    assert_accessible(page, axe)


def test_a_change_is_undone_by_one_button(system, browser, axe):
    """From the start page to the page of a link."""
    name, tokens = make_links(system)
    page = account_page(browser)
    page.go(f"{system.gateway_url}/")
    assert_accessible(page, axe)
    page.go(f"{system.gateway_url}/account/email/undo?token={tokens['undo_email']}")
    assert_accessible(page, axe)
    page.go(f"{system.gateway_url}/account/email/undo?token={tokens['undo_email']}")
    assert send(page) == ["submit"]
    arrives(page, "The change is undone")
    assert logs_in(system, f"{name}@example.org", PASSWORD) == 401


def test_the_form_of_another_site_is_refused(system, browser, secure):
    """A page of elsewhere has the user's browser send a form that it made up; even one
    with a good token does nothing."""
    name, tokens = make_links(system)
    email = f"{name}@example.org"
    forms = {
        "reset": {"token": tokens["reset"], "new_password": NEW},
        "reset/request": {"email": email},
    }
    for path, fields in forms.items():
        evil = browser.open(secure.page(ELSEWHERE))
        url = f"{secure.origin}/account/{path}"
        inputs = "".join(f"<input name={n} value='{v}'>" for n, v in fields.items())
        form = f"<form method=post action='{url}'>{inputs}</form>"
        evil.run(f"document.body.innerHTML = {form!r}; document.forms[0].submit()")
        arrives(evil, "Forbidden")
    assert logs_in(system, email, PASSWORD) == 200
    waiting = "SELECT 1 FROM users_request WHERE address = %s"
    assert not system.query("users", waiting, email)
