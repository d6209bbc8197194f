import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import UserFactory
from tests.factors.rows import with_factors
from users.accounts import links
from users.accounts.models import EmailChange, Purpose, Registration
from users.models import User
from users.validators import normalize_identifier

PAGES = {
    Purpose.REGISTER: "verify",
    Purpose.VERIFY: "verify",
    Purpose.RESET: "reset",
    Purpose.CHANGE_EMAIL: "email",
    Purpose.UNDO_EMAIL: "email/undo",
    Purpose.RESTORE: "restore",
    Purpose.KEEP_FACTORS: "factors/keep",
}
REQUEST = "/account/reset/request"
NEW_EMAIL = "New@example.org"


class Reader(Client):
    """A browser without scripts that reads a page and sends its form."""

    def open(self, url, **headers):
        answer = self.get(url, headers=headers)
        self.url, self.text = url, answer.content.decode()
        return answer

    def send(self, **fields):
        """With what the form holds, as its button does."""
        tags = re.findall(r"<input [^>]*>", self.text)
        found = [dict(re.findall(r'([\w-]+)="([^"]*)"', tag)) for tag in tags]
        values = {tag["name"]: tag.get("value", "") for tag in found if "name" in tag}
        (action,) = re.findall(r'<form method="post" action="([^"]+)">', self.text)
        answer = self.post(action, values | fields)
        self.text = answer.content.decode()
        return answer


def body_of(reader, **fields):
    """What the form of a second step holds, and these fields."""
    found = re.findall(r'name="(token|state)" value="([^"]*)"', reader.text)
    return {**dict(found), **fields}


def passkey_options(reader):
    """For our script, in the page."""
    [options] = re.findall(r'data-options="([^"]*)"', reader.text)
    return json.loads(unescape(options))


@pytest.fixture
def reader():
    return Reader()


@pytest.fixture
def ada():
    """A login of a new device would be mailed."""
    user = UserFactory(email="ada@example.org", last_login=timezone.now())
    User.objects.update(created_at=timezone.now() - timedelta(hours=2))
    return user


@pytest.fixture
def link_for():
    """Makes a link of a purpose, for a user or a registration in this language; the
    address of its page."""

    def make(purpose, locale="en", user=None):
        if purpose == Purpose.REGISTER:
            names = {"email": "Ada@example.org", "username": "Ada", "locale": locale}
            owner = {"registration": Registration.objects.create(**names)}
            address = "ada@example.org"
        else:
            user = user or UserFactory(email="Ada@example.org", locale=locale)
            owner, address = {"user": user}, user.email_canonical
        if purpose == Purpose.CHANGE_EMAIL:
            times = {"created_at": user.created_at, "expires_at": user.created_at}
            EmailChange.objects.create(user=user, email=NEW_EMAIL, **times)
            address = normalize_identifier(NEW_EMAIL)
        if purpose == Purpose.RESTORE:
            user.soft_delete()
        if purpose == Purpose.KEEP_FACTORS:
            with_factors(user, waits=True)
        link = links.issue(purpose, address=address, **owner)
        return f"/account/{PAGES[purpose]}?token={links.token_of(link)}"

    return make
