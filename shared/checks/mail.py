"""Checks of mail: how it leaves, and where its links lead."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register

from shared.checks.addresses import parse_address
from shared.checks.messages import SETTINGS, faults


@register(Tags.security, SETTINGS, deploy=True)
def check_mail(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    """Only the User Service has these settings."""
    server = getattr(settings, "MAIL_SERVER", None)
    is_clear = server is not None and server.tls == "none"
    yield from faults("E031", is_clear and not is_this_machine(server.host))
    public: str = getattr(settings, "PUBLIC_URL", settings.JWT_ISSUER)
    urls: dict[str, str] = getattr(settings, "ACCOUNT_URLS", {})
    # A link to our pages is as safe as PUBLIC_URL, and that as JWT_ISSUER (E015).
    found = ["PUBLIC_URL"] if is_http(public) and public != issuer() else []
    links = [
        url for url in urls.values() if is_http(url) and not url.startswith(public)
    ]
    yield from faults("E032", found + ["ACCOUNT_URL"] * bool(links))


def is_this_machine(host: str) -> bool:
    address = parse_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_http(url: str) -> bool:
    return not url.startswith("https://")


def issuer() -> str:
    return settings.JWT_ISSUER.rstrip("/")
