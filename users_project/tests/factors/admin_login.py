"""Logging in to the admin with more than a password, as a browser."""

import json
import re

from tests.factories import PASSWORD
from tests.guesses import admin_log_in

LOGIN = "/admin/login/"
SECOND = "/admin/login/second_factor/"
PASSKEY = "/admin/login/passkey/"
CONFIRM = "/admin/confirm/"
SESSION = "memo_admin_session"


def password_step(client, user, target="/admin/"):
    """The right password; the page that follows."""
    return admin_log_in(user.email, PASSWORD, client=client, target=target)


def signed(authenticator, page):
    """What the page's form sends, once the passkey has signed."""
    authenticator.count += authenticator.count > 0  # those at 0 do not count
    answer = authenticator.get(json.loads(page.context["passkey"]))
    return {
        "credential": json.dumps(answer),
        "challenge": page.context.get("challenge", ""),
        "next": page.context["next"],
    }


def is_in(client):
    """Whether the browser is logged in."""
    return client.get("/admin/").status_code == 200


def scripts_inline(page):
    """What the Content-Security-Policy of the gateway refuses to run."""
    html = page.content.decode()
    return re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|\son\w+=|javascript:", html)


def grow_old(client, seconds=15 * 60):
    """The last answer of this browser's user was so long ago."""
    session = client.session
    session["authenticated_at"] -= seconds
    session.save()
