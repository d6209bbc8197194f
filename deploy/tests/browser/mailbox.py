"""The mails that the worker of a stack has written to files."""

import re
from pathlib import Path

from deploy.smoke_test import mails_in
from deploy.tests.stack import System, wait_until

TIMEOUT = 30.0  # seconds for the worker
STATES = "SELECT kind, sent_at, last_error FROM users_mail WHERE address = %s"


def mailed_link(system: System, address: str, page: str) -> str:
    """The link to a page of the account in a mail to this address, once it is there."""
    pattern = re.compile(rf"^\S+/account/{page}\?token=\S+$", re.M)
    found: list[str] = []

    def arrived() -> list[str]:
        for mail in mails_in(Path(system.layout.mail)):
            text = mail.get_body(("plain",))
            if mail["To"] == address and text:
                found.extend(pattern.findall(text.get_content()))
        return found

    try:
        wait_until(arrived, TIMEOUT, f"mail to {address}")
    except AssertionError as error:
        error.add_note(str(system.query("users", STATES, address)))
        raise
    return found[0]
