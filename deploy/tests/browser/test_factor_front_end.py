"""A user of a front end in a real browser: steps up, trusts a device, loses one factor
and then all of them."""

import pytest
from pyotp import TOTP

from deploy.tests.admin_site import USERS
from deploy.tests.browser.front_end import LOG_IN, REGISTER, STEP_UP, FrontEnd
from deploy.tests.browser.mailbox import mailed_link
from deploy.tests.browser.test_account_pages import arrives
from deploy.tests.browser.test_admin_factors import reach, send
from deploy.tests.client import LOGOUT, LOGOUT_ALL, PASSWORD, REFRESH, claims_of
from deploy.tests.factors import CODES, FACTORS, SECOND_FACTOR, UNUSED, FactorUser
from deploy.tests.tls_stack import APP

DOCS = "/api/v1/auth/docs"  # a page of the gateway
TOO_WEAK, ASKED = "insufficient_user_authentication", "second_factor_required"
OLD = "UPDATE tokens_session SET stepped_up_at = now() - interval '6 min' WHERE id = %s"
CANCEL = "!!document.querySelector('[name=cancel]')"


@pytest.fixture
def app(browser, system):
    """On a page of the gateway, in a browser with an authenticator."""
    page = browser.open(system.gateway_url + DOCS)
    page.add_phone()
    return FrontEnd(page)


@pytest.fixture
def ada(system):
    """A user without factors."""
    user = FactorUser(system)
    assert user.register().ok
    return user


def test_what_is_refused_succeeds_after_a_step_up(app, ada, system):
    """With the code of an app, and six minutes later with a passkey."""
    app.log_in(ada)
    added = app.post(f"{FACTORS}/totp")
    phone = TOTP(added["secret"])
    app.post(f"{FACTORS}/{added['id']}/confirm", code=phone.now())
    refused = app.run(REGISTER)
    assert refused["code"] == TOO_WEAK
    assert 'acr_values="aal2"' in refused["wanted"]
    assert app.run(STEP_UP, "000000")["code"] == "second_factor_invalid"
    system.query("users", UNUSED)
    app.run(STEP_UP, phone.now())
    assert app.level == ("aal2", ["pwd", "otp", "mfa"])
    assert app.run(REGISTER)["id"]

    system.query("auth", OLD, claims_of(app.access)["sid"])
    app.post(REFRESH)
    refused = app.post(CODES)
    assert refused["code"] == TOO_WEAK
    assert 'max_age="300"' in refused["wanted"]
    app.run(STEP_UP)
    assert app.level == ("aal2", ["pwd", "otp", "hwk", "user", "mfa"])
    assert len(app.post(CODES)["recovery_codes"]) == 10
    # The session is the one of the login, also for the cookie.
    app.post(REFRESH)
    assert len(app.post(CODES)["recovery_codes"]) == 10


def test_a_trusted_device_is_not_asked_until_all_is_logged_out(browser, secure, ada):
    """On a page of another origin."""
    ada.log_in()
    assert ada.add_totp().ok
    app = FrontEnd(browser.open(secure.page(APP)), secure.origin)
    asked = app.log_in(ada)
    assert asked["code"] == ASKED
    proof = {"totp": ada.unused_code(), "trust_device": True}
    app.post(SECOND_FACTOR, login=asked["login"], **proof)
    assert app.level[0] == "aal2"
    app.post(LOGOUT)
    app.log_in(ada)
    assert app.level == ("aal1", ["pwd", "rba"])

    device = browser.cookies()["__Secure-device"]
    expected = {"httpOnly": True, "secure": True, "sameSite": "Strict", "path": "/"}
    assert {name: device[name] for name in expected} == expected
    assert browser.open(secure.origin + DOCS).run("document.cookie") == ""
    other = FrontEnd(browser.open(secure.page(APP), elsewhere=True), secure.origin)
    assert other.log_in(ada)["code"] == ASKED

    # It stands for a factor at the login alone.
    refused = app.post(CODES)
    assert (refused["code"], "aal2" in refused["wanted"]) == (TOO_WEAK, True)
    app.run(STEP_UP, ada.unused_code())
    assert len(app.post(CODES)["recovery_codes"]) == 10
    app.post(LOGOUT_ALL)
    assert app.log_in(ada)["code"] == ASKED


def test_a_recovery_code_stands_once_for_a_lost_factor(app, protected):
    """The user then adds another one."""
    [code, *_] = protected.codes
    asked = app.log_in(protected)
    assert asked["factors"] == ["passkey", "totp", "recovery_code"]
    app.post(SECOND_FACTOR, login=asked["login"], recovery_code=code)
    assert app.level[0] == "aal2"
    assert app.run(REGISTER)["id"]
    app.run(LOG_IN)
    assert app.level == ("aal2", ["hwk", "user", "mfa"])
    asked = app.log_in(protected)
    refused = app.post(SECOND_FACTOR, login=asked["login"], recovery_code=code)
    assert (refused["code"], refused["tries_left"]) == ("second_factor_invalid", 4)


def test_an_operator_resets_what_is_lost_unless_the_user_objects(
    app, protected, operator, system, browser
):
    desk = browser.open(f"{operator.url}/admin/login/", elsewhere=True)
    send(desk, username=operator.email, password=PASSWORD)
    reach(desk, "/admin/")
    page = f"{operator.url}{USERS}{claims_of(protected.access)['sub']}/factors/"

    def ask():
        desk.go(page)
        send(desk, reason="seen at the desk, with a passport")
        desk.wait_until(CANCEL, "a reset that waits")

    ask()
    mailbox = browser.open(mailed_link(system, protected.email, "factors/keep"))
    mailbox.run("document.forms[0].requestSubmit()")
    arrives(mailbox, "Your second factors are kept")
    assert not protected.be_reset()
    desk.go(page)
    assert not desk.run(CANCEL)
    assert app.log_in(protected)["code"] == ASKED

    ask()
    assert protected.be_reset()
    app.log_in(protected)
    assert app.level == ("aal1", ["pwd"])
    assert len(app.run(REGISTER)["recovery_codes"]) == 10
    assert app.log_in(protected)["factors"] == ["passkey", "recovery_code"]
    app.run(LOG_IN)
    assert app.level[0] == "aal2"
