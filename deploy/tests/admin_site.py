"""An operator at the admin, as a browser: pages, cookies, CSRF tokens."""

import re
import secrets
from typing import Any

import pytest
import requests

from deploy.tests.client import PASSWORD, TIMEOUT
from deploy.tests.stack import System

USERS = "/admin/users/user/"
ROLES = "/admin/users/role/"
CONFIRM = "/admin/confirm/"


class Operator:
    """A superuser who is logged in to the admin."""

    def __init__(self, system: System) -> None:
        self.url = system.gateway_url
        self.browser = new_browser()
        self.name = f"op{secrets.token_hex(6)}"
        self.email = f"{self.name}@example.org"
        words = ("--noinput", "--email", self.email, "--username", self.name)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
            system.run("users", "createsuperuser", *words)
        assert self.log_in(PASSWORD, self.browser).history

    def log_in(
        self, password: str, browser: requests.Session | None = None
    ) -> requests.Response:
        """In another browser, if none is given."""
        form = {"username": self.email, "password": password, "next": "/admin/"}
        return self.post(browser or new_browser(), "/admin/login/", form)

    def page(self, path: str, browser: requests.Session | None = None) -> str:
        browser = browser or self.browser
        answer = browser.get(self.url + path, timeout=TIMEOUT)
        if self.confirmed(browser, path, answer):
            return self.page(path, browser)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer.text

    def post(
        self, browser: requests.Session, path: str, form: dict[str, Any]
    ) -> requests.Response:
        """Fill in the form on a page and send it; the page that follows."""
        field = r'name="(csrfmiddlewaretoken|version)" value="([^"]+)"'
        hidden = dict(re.findall(field, self.page(path, browser)))
        assert hidden, f"no form at {path}"
        answer = browser.post(
            self.url + path,
            data={**form, **hidden},
            headers={"Origin": self.url},
            timeout=TIMEOUT,
        )
        if self.confirmed(browser, path, answer):
            return self.post(browser, path, form)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer

    def confirmed(
        self, browser: requests.Session, path: str, answer: requests.Response
    ) -> bool:
        """Whether the admin asked for the password, as after fifteen minutes."""
        if asked := CONFIRM in answer.url and CONFIRM not in path:
            self.post(browser, CONFIRM, {"password": PASSWORD})
        return asked

    def submit(self, path: str, **form: Any) -> str:
        """The page that follows a form. Fails where the form is shown again."""
        answer = self.post(self.browser, path, form)
        assert answer.history, f"{path}: refused\n{answer.text}"
        return answer.text

    def act(self, action: str, user_id: str) -> str:
        """One of the actions of the list of users, on one of them, and confirmed."""
        form = {"action": action, "_selected_action": user_id}
        return self.submit(USERS, **form, confirmed="yes")

    def revoke_session(self, user_id: str, sid: str) -> str:
        return self.submit(f"{USERS}{user_id}/sessions/", session=sid)

    def set_password(self, user_id: str, password: str) -> str:
        path = f"{USERS}{user_id}/password/"
        both = {"password1": password, "password2": password}
        return self.submit(path, usable_password="true", **both)

    def give_role(self, user: dict[str, Any], role: str) -> str:
        """Make the role, and change the user's roles to it."""
        self.submit(f"{ROLES}add/", name=role)
        path = f"{USERS}{user['id']}/change/"
        option = re.search(rf'<option value="(\d+)"[^>]*>{role}<', self.page(path))
        assert option, f"no role {role}"
        names = ("email", "username", "first_name", "last_name", "display_name")
        kept = {name: user[name] for name in (*names, "avatar_url")}
        return self.submit(path, **kept, is_active="on", groups=option[1])


def new_browser() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session
