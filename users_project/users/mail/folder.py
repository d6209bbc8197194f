"""Mails that development writes to files instead of sending them."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings

LINK = re.compile(r"^https?://\S+$", re.MULTILINE)


def newest() -> EmailMessage | None:
    """The last mail in MAIL_FOLDER, or None."""
    files = [*Path(settings.EMAIL_FILE_PATH).glob("*.log")]
    if not files:
        return None
    text = max(files, key=lambda path: path.stat().st_mtime_ns).read_bytes()
    return message_from_bytes(text, policy=policy.default)


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    return str(body.get_content()) if body else ""


def link_of(mail: EmailMessage) -> str:
    """The link of a mail: alone on its line. Empty where it has none."""
    found = LINK.search(text_of(mail))
    return found[0] if found else ""
