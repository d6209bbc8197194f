"""Checks of mail: how it leaves, and where its links lead."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register

from shared.checks.addresses import parse_address
from shared.checks.messages import SETTINGS, faults
from shared.mail_url import MailServer


@register(Tags.security, SETTINGS, deploy=True)
def check_mail(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    """Only the User Service has these settings."""
    server: MailServer | None = getattr(settings, "MAIL_SERVER", None)
    yield from faults("E031", server is not None and is_clear(server))
    # Pages under PUBLIC_URL need no check of their own, nor does JWT_ISSUER (E015).
    issuer = settings.JWT_ISSUER.rstrip("/")
    public: str = getattr(settings, "PUBLIC_URL", issuer)
    urls = [public] if public != issuer else []
    pages: dict[str, str] = getattr(settings, "ACCOUNT_URLS", {})
    urls += [url for url in pages.values() if not url.startswith(f"{public}/")]
    yield from faults("E032", any(not url.startswith("https://") for url in urls))


def is_clear(server: MailServer) -> bool:
    """Whether others may read mails and the password on the way to the server."""
    address = parse_address(server.host)
    is_here = server.host == "localhost" or (address and address.is_loopback)
    return server.tls == "none" and not is_here
