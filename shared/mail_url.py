"""Settings of mail: the server (`smtp://user@host:587?tls=starttls`), the sender, and
where links lead."""

from email.utils import parseaddr
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

PORTS = {"starttls": 587, "tls": 465, "none": 25}
FORM = "must be smtp://user@host:587?tls=starttls (or tls, or none)."
NO_PASSWORD = "must not have the password in it: set MAIL_PASSWORD."  # noqa: S105


class MailServer(NamedTuple):
    """`tls` says how the connection is encrypted: a key of PORTS."""

    host: str
    port: int
    user: str
    tls: str


def parse_mail_url(text: str) -> MailServer:
    """The server. Raises ValueError, whose message omits the text: it may be secret."""
    try:
        url = urlsplit(text)
        options = dict(parse_qsl(url.query, keep_blank_values=True))
        port = url.port
    except ValueError:
        raise ValueError(FORM) from None
    if url.password is not None:
        raise ValueError(NO_PASSWORD)
    tls = options.pop("tls", "starttls")
    is_whole = url.scheme == "smtp" and url.hostname and not url.path.strip("/")
    if not is_whole or tls not in PORTS or options or url.fragment:
        raise ValueError(FORM)
    user = unquote(url.username or "")
    return MailServer(str(url.hostname), port or PORTS[tls], user, tls)


def parse_sender(text: str) -> str:
    """The text, if it is one address, with or without a name. Raises ValueError."""
    address = parseaddr(text)[1]
    try:
        validate_email(address)
    except ValidationError:
        address = ""
    if not address or not text.isprintable():
        raise ValueError("must be an address such as Memo <memo@example.org>.")
    return text


def parse_link(text: str) -> str:
    """The text, if it is a URL for links. Raises ValueError."""
    if not text.startswith(("https://", "http://")) or text.count("{token}") != 1:
        raise ValueError("must be a URL with {token} in it once.")
    return text
