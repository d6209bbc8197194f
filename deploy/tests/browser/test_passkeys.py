"""The lines of docs/factors.md about passkeys in a real browser, with an authenticator
of its own, through the gateway."""

import pytest

from deploy.tests.browser.front_end import LOG_IN, REGISTER, FrontEnd
from deploy.tests.client import claims_of


@pytest.fixture
def app(browser, system, user):
    """The user's, on a page of the gateway, in a browser with that authenticator."""
    page = browser.open(f"{system.gateway_url}/api/v1/auth/docs")
    page.add_phone()
    return FrontEnd(page, access=user.access)


def test_the_documented_lines_register_a_passkey_and_log_in(app, user):
    added = app.run(REGISTER)
    assert len(added["recovery_codes"]) == 10, added

    for _ in range(2):
        claims = claims_of(app.run(LOG_IN)["access_token"])
        assert claims["sub"] == claims_of(user.access)["sub"]
        assert (claims["acr"], claims["amr"]) == ("aal2", ["hwk", "user", "mfa"])


def test_what_the_authenticator_and_its_user_refuse(app):
    """A second passkey of the account on one authenticator, and a user whom it does not
    verify."""
    app.run(REGISTER)

    app.run(LOG_IN)
    assert app.run(REGISTER)["error"] == "InvalidStateError"
    phone = app.page.phone
    app.page.call("WebAuthn.setUserVerified", **phone, isUserVerified=False)
    assert app.run(LOG_IN)["error"] == "NotAllowedError"
