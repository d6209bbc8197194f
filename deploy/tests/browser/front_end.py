"""A page of a front end that uses second factors, with the lines of docs/factors.md."""

import json
import re
from typing import Any

from deploy.tests.browser.browser import Page
from deploy.tests.client import LOGIN, TestUser, claims_of
from deploy.tests.stack import ROOT

REGISTER, LOG_IN, STEP_UP = re.findall(
    r"^```js\n(.+?)^```", (ROOT / "docs" / "factors.md").read_text(), re.M | re.S
)
# What the documentation says of `post` and `enter`.
SCRIPT = """(async () => {
const origin = %s, access = %s, enter = async () => %s;
let last = {};
const post = async (path, body) => {
  const headers = {"Content-Type": "application/json"};
  if (access) headers.Authorization = `Bearer ${access}`;
  const options = {method: "POST", credentials: "include", headers};
  if (body) options.body = JSON.stringify(body);
  const answer = await fetch(origin + path, options);
  last = {...await answer.json(), wanted: answer.headers.get("WWW-Authenticate")};
  if (!answer.ok) throw new Error(last.code);
  return last;
};
try { %s } catch (e) { last.error = e.name }
return last;
})()"""


class FrontEnd:
    """Its API is at `origin`; `access` is the access token that it keeps."""

    def __init__(self, page: Page, origin: str = "") -> None:
        self.page, self.origin, self.access = page, origin, ""

    def run(self, lines: str, entered: str = "") -> dict[str, Any]:
        """The last answer to these lines; with `error`, the name of one."""
        given = map(json.dumps, (self.origin, self.access, entered))
        answer: dict[str, Any] = self.page.run(SCRIPT % (*given, lines))
        assert answer.get("error") not in {"TypeError", "SyntaxError"}, answer
        self.access = answer.get("access_token", self.access)
        return answer

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        words = [json.dumps(each) for each in (path, body) if each]
        return self.run(f"await post({', '.join(words)})")

    def log_in(self, user: TestUser) -> dict[str, Any]:
        """By the password."""
        self.access = ""
        return self.post(LOGIN, email=user.email, password=user.password)

    @property
    def level(self) -> tuple[str, list[str]]:
        claims = claims_of(self.access)
        return claims["acr"], claims["amr"]
