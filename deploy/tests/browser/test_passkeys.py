"""The lines of docs/factors.md in a real browser, with an authenticator of its own,
through the gateway."""

import json
import re

import pytest

from deploy.tests.browser.browser import Page
from deploy.tests.client import claims_of
from deploy.tests.stack import ROOT

DOCUMENTED = re.compile(r"^```js\n(.+?)^```", re.M | re.S)
# One that is built into a phone: it verifies its user, and keeps passkeys.
PHONE = {
    **{"protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal"},
    **{"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True},
    "automaticPresenceSimulation": True,
}
# What the documentation says of `post`.
POST = """
let last;
const post = async (path, body) => {
  const headers = {"Content-Type": "application/json", Authorization: "Bearer %s"};
  const options = {method: "POST", headers, body: body && JSON.stringify(body)};
  const answer = await fetch(path, options);
  last = await answer.json();
  if (!answer.ok) throw new Error(last.code);
  return last;
};
"""


@pytest.fixture
def page(browser, system):
    """A page of the gateway, in a browser with that authenticator."""
    page = browser.open(f"{system.gateway_url}/api/v1/auth/docs")
    page.call("WebAuthn.enable")
    page.phone = page.call("WebAuthn.addVirtualAuthenticator", options=PHONE)
    return page


def run(page: Page, lines: str, token: str = "") -> dict:
    """The last answer to these lines, or the name and message of an error."""
    said = page.run(
        f"(async () => {{ {POST % token} {lines}; return JSON.stringify(last) }})()"
        ".catch(e => JSON.stringify({error: e.name, message: e.message}))"
    )
    return json.loads(said)


def test_the_documented_lines_register_a_passkey_and_log_in(page, user):
    register, log_in = DOCUMENTED.findall((ROOT / "docs" / "factors.md").read_text())

    added = run(page, register, user.access)
    assert len(added["recovery_codes"]) == 10, added

    for _ in range(2):
        claims = claims_of(run(page, log_in)["access_token"])
        assert claims["sub"] == claims_of(user.access)["sub"]
        assert (claims["acr"], claims["amr"]) == ("aal2", ["hwk", "user", "mfa"])


def test_what_the_authenticator_and_its_user_refuse(page, user):
    """A second passkey of the account on one authenticator, and a user whom it does not
    verify."""
    register, log_in = DOCUMENTED.findall((ROOT / "docs" / "factors.md").read_text())
    run(page, register, user.access)

    again = run(page, register, run(page, log_in)["access_token"])
    assert again["error"] == "InvalidStateError"
    page.call("WebAuthn.setUserVerified", **page.phone, isUserVerified=False)
    assert run(page, log_in)["error"] == "NotAllowedError"
