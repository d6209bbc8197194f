"""The admin behind a second factor, in a real browser: nothing of its pages meets the
Content-Security-Policy."""

import json
import time

import pytest
from pyotp import TOTP

from deploy.tests.admin_site import Operator
from deploy.tests.client import PASSWORD

HEADING = "document.querySelector('h1, h2')?.textContent"
KEY = "document.querySelector('code').textContent"
PASSKEY = "document.querySelector('form[data-passkey] button').click()"
QR = "document.querySelector('#content svg')"
INSIDE = "!!document.querySelector('#user-tools')"
PERIOD = 30  # seconds of a code


@pytest.fixture
def operator(system):
    """One of the test's own, who gets a factor here."""
    return Operator(system)


@pytest.fixture
def page(browser, operator):
    """At the login page, with an authenticator that verifies its user."""
    page = browser.open(f"{operator.url}/admin/login/")
    page.call("Log.enable")
    page.add_phone()
    return page


def send(page, **fields):
    """Fill in and send the first form of the page that has these fields."""
    values = json.dumps(fields)
    page.run(
        f"""(() => {{
        const values = {values}, names = Object.keys(values);
        const fits = (form) => names.every((name) => form.elements[name]);
        const form = [...document.forms].find(fits);
        for (const name of names) form.elements[name].value = values[name];
        form.requestSubmit();
        }})()"""
    )


def reach(page, path):
    page.wait_until(f"location.pathname === {path!r}", path)


def log_out(page):
    page.run("document.querySelector('#logout-form').requestSubmit()")
    reach(page, "/admin/logout/")


def code_of(key, used=()):
    """One that was not used yet, of the step that is now or the next one."""
    now = int(time.time()) // PERIOD
    codes = [TOTP(key).generate_otp(now + step) for step in (0, 1)]
    return next(each for each in codes if each not in used)


def test_an_operator_adds_factors_and_logs_in_with_each(page, operator):
    """A device that is trusted is not asked at the login, but before what matters."""
    url = operator.url
    send(page, username=operator.email, password=PASSWORD)
    reach(page, "/admin/")

    page.go(f"{url}/admin/factors/add/")
    assert page.run(f"{QR}.getBoundingClientRect().width") > 100
    key = page.run(KEY)
    first = code_of(key)
    send(page, code=first)
    page.wait_until("document.querySelectorAll('li code').length === 10", "the codes")
    page.go(f"{url}/admin/factors/add/")
    alert = "document.querySelector('[role=alert]').getBoundingClientRect().height"
    assert page.run(alert) == 0
    page.run(PASSKEY)
    reach(page, "/admin/factors/")
    assert page.run("document.querySelectorAll('#content tbody tr').length") == 2
    log_out(page)

    page.go(f"{url}/admin/login/")
    send(page, username=operator.email, password=PASSWORD)
    reach(page, "/admin/login/second_factor/")
    assert not page.run(INSIDE)
    assert "memo_admin_session" not in page.browser.cookies()
    send(page, code="000000")
    page.wait_until("document.body.innerText.includes('are left: 4')", "the refusal")
    page.run("document.querySelector('[name=trust_device]').click()")
    send(page, code=code_of(key, {first}))
    reach(page, "/admin/")
    assert page.run(INSIDE)
    log_out(page)

    page.go(f"{url}/admin/login/")
    send(page, username=operator.email, password=PASSWORD)
    reach(page, "/admin/")
    page.go(f"{url}/admin/confirm/")
    page.run(PASSKEY)
    reach(page, "/admin/")
    log_out(page)

    page.go(f"{url}/admin/login/")
    page.run(PASSKEY)
    reach(page, "/admin/")
    assert page.run(INSIDE)

    log = [each for each in page.browser.events if each["method"] == "Log.entryAdded"]
    refused = [each for each in log if "Content Security Policy" in json.dumps(each)]
    assert not refused
