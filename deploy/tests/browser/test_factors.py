"""The first second factor of a user and of an operator, in a real browser: nothing of
the pages meets the Content-Security-Policy."""

import time
from functools import partial

import pytest
from pyotp import TOTP

from deploy.tests.browser.account_links import make_links
from deploy.tests.browser.test_account_pages import arrives
from deploy.tests.browser.test_admin_factors import PASSKEY, reach, send
from deploy.tests.client import PASSWORD, TestUser
from deploy.tests.factors import UNUSED, FactorUser
from deploy.tests.mailed_links import token_of
from deploy.tests.waiting import wait_until

ALERT = "document.querySelector('[role=alert]')"
RESEND = "/api/v1/users/verify_email/resend"
CODES = "[...document.querySelectorAll('li code')].map(each => each.textContent)"
# The answer to the first click comes after the second one.
SLOW = {"offline": False, "latency": 500}
SLOW |= {"downloadThroughput": -1, "uploadThroughput": -1}
PLACE = """(() => {
const button = document.querySelector("main form button");
button.scrollIntoView();
const { x, y } = button.getBoundingClientRect();
return { x: x + 5, y: y + 5 };
})()"""
NOTED = """window.violated = [];
document.addEventListener("securitypolicyviolation",
    event => violated.push(`${event.violatedDirective} ${event.blockedURI}`))"""


@pytest.fixture
def page(browser):
    """A tab with an authenticator, in which violations of the policy are noted."""
    page = browser.tab()
    page.add_phone()
    page.call("Page.enable")
    page.call("Page.addScriptToEvaluateOnNewDocument", source=NOTED)
    return page


def sees(page, selector):
    """This is on the page, which keeps to the policy."""
    shown = f"!!document.querySelector({selector!r})"
    page.wait_until(shown, selector)
    assert page.run("violated") == []


def new_link(system, user):
    """That of another mail: the first factor has voided those before it."""
    newest = partial(token_of, system, user.email, "verify")
    before = newest()
    assert user.post(RESEND, json={"email": user.email}).status_code == 202
    wait_until(lambda: newest() != before, 20, "another link")
    return newest()


@pytest.mark.parametrize("kind", ["totp", "passkey"])
def test_a_user_sets_up_a_factor_and_is_asked_for_it(system, page, kind):
    """By the link of a mail, and then on the page of another."""
    name, tokens = make_links(system)
    user, site = FactorUser(system, name), f"{system.gateway_url}/account"
    page.go(f"{site}/factors/enrol?token={tokens['enrol']}")
    send(page, password=PASSWORD)
    sees(page, "svg")
    app = TOTP(page.run("document.querySelector('.key').textContent"))
    send(page, code="000000")
    sees(page, ".errorlist")
    assert page.run("document.querySelector('.key').textContent") == app.secret
    send(page, code=app.now()) if kind == "totp" else page.run(PASSKEY)
    sees(page, ".codes")
    assert len(page.run(CODES)) == 10
    assert user.first_step()["factors"] == [kind, "recovery_code"]

    page.go(f"{site}/verify?token={new_link(system, user)}")
    send(page, password=PASSWORD)
    sees(page, "[name=code]")
    system.query("users", UNUSED)
    send(page, code=app.now()) if kind == "totp" else page.run(PASSKEY)
    arrives(page, "Your e-mail address is confirmed")


def test_a_double_click_still_shows_the_codes(system, page):
    """Two clicks send one form: the answer to another one has no codes."""
    _, tokens = make_links(system)
    page.go(f"{system.gateway_url}/account/factors/enrol?token={tokens['enrol']}")
    send(page, password=PASSWORD)
    sees(page, "svg")
    app = TOTP(page.run("document.querySelector('.key').textContent"))
    page.run(f"document.querySelector('[name=code]').value = '{app.now()}'")
    button = page.run(PLACE)
    page.call("Network.emulateNetworkConditions", **SLOW)
    for clicks in (1, 2):
        for event in ("mousePressed", "mouseReleased"):
            named = {"type": event, "button": "left", "clickCount": clicks}
            page.call("Input.dispatchMouseEvent", **named, **button)
        time.sleep(0.08)
    sees(page, ".codes")
    assert len(page.run(CODES)) == 10


def test_an_operator_who_must_have_a_factor_sets_it_up_first(system, page):
    """With the code that `createsuperuser` prints; until then nothing is open."""
    name, url = TestUser(system).name, f"{system.gateway_url}/admin"
    email = f"{name}@example.org"
    words = ("--noinput", "--email", email, "--username", name)

    def log_in():
        page.go(f"{url}/login/")
        send(page, username=email, password=PASSWORD)

    with system.with_settings(users={"ADMIN_SECOND_FACTOR": "required"}):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
            printed = system.run("users", "createsuperuser", *words)
        [token] = [word for word in printed.split() if len(word) > 40]
        log_in()
        sees(page, "[name=token]")
        page.go(f"{url}/")
        reach(page, "/admin/login/")
        log_in()
        sees(page, "[name=token]")
        send(page, token=token)
        sees(page, "main [name=password]")
        send(page, password=PASSWORD)
        sees(page, "svg")
        assert page.run(f"{ALERT}.checkVisibility()") is False
        app = TOTP(page.run("document.querySelector('.key').textContent"))
        send(page, code=app.now())
        sees(page, ".codes")
        [recovery_code, *_] = page.run(CODES)
        page.go(f"{url}/")
        reach(page, "/admin/login/")
        log_in()
        reach(page, "/admin/login/second_factor/")
        send(page, code=recovery_code)
        reach(page, "/admin/")
        assert page.run("violated") == []
