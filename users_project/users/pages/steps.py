"""What a page knows of the step before it. Pages have no session: it is signed, and
goes along in the form."""

from typing import Any

from django.core import signing

from users.accounts.models import Link

SALT = "users.pages.steps"
MAX_AGE = 600  # seconds


def sign(link: Link, value: str = "") -> str:
    """That the password of the link's account was right, and what else to keep."""
    return signing.dumps([str(link.pk), value], salt=SALT)


def read(link: Link, text: str) -> str | None:
    """The value; None if we have not signed it for this link, or too long ago."""
    try:
        of, value = signing.loads(text, salt=SALT, max_age=MAX_AGE)
    except signing.BadSignature:
        return None
    found: Any = value if of == str(link.pk) else None
    return found
