"""Links as mails have them, made in the service itself."""

import json
import secrets

from deploy.tests.client import PASSWORD
from deploy.tests.stack import System

# `name` and `locale` come first.
SCRIPT = """
import json
from django.utils import timezone
from users.accounts import change_email, links
from users.accounts.models import Purpose, Registration
from users.models import User

email = f"{name}@example.org"
waiting = Registration.objects.create(
    email=f"new.{email}", username=f"new-{name}", locale=locale
)
user = User(email=email, username=name, locale=locale)
user.set_password(password)
user.save()
change = change_email.store(user, f"other.{email}")
addresses = {Purpose.CHANGE_EMAIL: change.email, Purpose.REGISTER: waiting.email}
tokens = {}
for purpose in Purpose:
    is_new = purpose == Purpose.REGISTER
    owner = {"registration": waiting} if is_new else {"user": user}
    link = links.issue(purpose, address=addresses.get(purpose, email), **owner)
    tokens[purpose] = links.token_of(link)
print(json.dumps(tokens))
"""


def make_links(system: System, locale: str = "en") -> tuple[str, dict[str, str]]:
    """The name of a new user, and a token of each purpose; that of a registration is
    for the user `new-<name>`."""
    name = f"p{secrets.token_hex(6)}"
    given = f"{name=}; {locale=}; password = {PASSWORD!r}"
    printed = system.run("users", "shell", "-v", "0", "-c", f"{given}\n{SCRIPT}")
    tokens: dict[str, str] = json.loads(printed.splitlines()[-1])
    return name, tokens
