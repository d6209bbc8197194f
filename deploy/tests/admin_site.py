"""An operator at the admin, as a browser: pages, cookies, CSRF tokens."""

import html
import os
import re
import secrets
from typing import Any

import requests

from deploy.tests.client import PASSWORD, TIMEOUT
from deploy.tests.stack import System

USERS = "/admin/users/user/"
ROLES = "/admin/users/role/"


class Operator:
    """A superuser who is logged in to the admin."""

    def __init__(self, system: System) -> None:
        self.url = system.gateway_url
        self.browser = requests.Session()
        self.browser.trust_env = False
        name = f"op{secrets.token_hex(6)}"
        self.email = f"{name}@example.org"
        words = ("--noinput", "--email", self.email, "--username", name)
        os.environ["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
        try:
            system.run("users", "createsuperuser", *words)
        finally:
            del os.environ["DJANGO_SUPERUSER_PASSWORD"]
        self.submit(
            "/admin/login/", username=self.email, password=PASSWORD, next="/admin/"
        )

    def page(self, path: str) -> str:
        answer = self.browser.get(self.url + path, timeout=TIMEOUT)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer.text

    def submit(self, path: str, page: str | None = None, **form: Any) -> str:
        """Fill in the form on `page` (by default the one at `path`) and send it; the
        page that follows. Fails where the form is shown again."""
        token = re.search(
            r'name="csrfmiddlewaretoken" value="(\w+)"', self.page(page or path)
        )
        assert token, f"no form at {path}"
        answer = self.browser.post(
            self.url + path,
            data={**form, "csrfmiddlewaretoken": token[1]},
            headers={"Origin": self.url},
            timeout=TIMEOUT,
        )
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        assert answer.history, f"{path}: refused\n{errors_of(answer.text)}"
        return answer.text

    def act(self, action: str, user_id: str) -> str:
        """One of the actions of the list of users, on one of them."""
        return self.submit(USERS, action=action, _selected_action=user_id)

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


def errors_of(page: str) -> str:
    """What a form complains of."""
    found = re.findall(r'<(?:p|ul) class="error\w*"[^>]*>(.*?)</(?:p|ul)>', page, re.S)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", text) for text in found))
