"""Checks of HTTP: hosts, cookies, origins, proxies, and URLs of other services."""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register

from shared.checks.addresses import is_clear, trusts_strangers
from shared.checks.messages import SETTINGS, faults
from shared.http.origins import origin_of

BROWSABLE = ("BrowsableAPIRenderer", "AdminRenderer")
ORIGIN = re.compile(r"https://[^/?#@*\s]+")
# Django accepts `https://*.example.org` too.
TRUSTED_ORIGIN = re.compile(r"https://(\*\.[^./?#@*\s]+\.)?[^/?#@*\s]+")


@register(Tags.security, SETTINGS, deploy=True)
def check_http(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    own_hosts = settings.ALLOWED_HOSTS[: -len(settings.INTERNAL_HOSTS) or None]
    cookies = ["COOKIE_SECURE"]
    if "django.contrib.sessions" in settings.INSTALLED_APPS:
        cookies += ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"]
    trusted = [item.strip() for item in settings.FORWARDED_ALLOW_IPS.split(",")]
    api: dict[str, Any] = settings.REST_FRAMEWORK
    renderers = api.get("DEFAULT_RENDERER_CLASSES", BROWSABLE)
    yield from faults("E010", bool(settings.DEBUG))
    yield from faults("E012", not own_hosts or "*" in settings.ALLOWED_HOSTS)
    yield from faults("E018", [name for name in cookies if not getattr(settings, name)])
    yield from faults("E019", wide_origins())
    # A trusted client can rewrite the path.
    yield from faults("E023", any(map(trusts_strangers, filter(None, trusted))))
    yield from faults("E024", any(str(path).endswith(BROWSABLE) for path in renderers))


@register(Tags.security, SETTINGS, deploy=True)
def check_urls(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    """Requests to these URLs carry keys, passwords and API keys."""
    called = [name for name in dir(settings) if name.endswith("_SERVICE_URL")]
    urls = {name: getattr(settings, name) for name in ["JWT_JWKS_URL", *called]}
    yield from faults(
        "E026", [name for name, url in urls.items() if url and is_clear(url)]
    )


def wide_origins() -> Iterator[str]:
    """The settings that allow origins of others, or pages that others may change."""
    patterns = ("CORS_ALLOW_ALL_ORIGINS", "CORS_ALLOWED_ORIGIN_REGEXES")
    yield from (name for name in patterns if getattr(settings, name, None))
    allowed = {"CORS_ALLOWED_ORIGINS": ORIGIN, "CSRF_TRUSTED_ORIGINS": TRUSTED_ORIGIN}
    for name, form in allowed.items():
        if not all(map(form.fullmatch, getattr(settings, name, ()))):
            yield name
    # The default is as safe as PUBLIC_URL (E032).
    origins = getattr(settings, "WEBAUTHN_ORIGINS", ())
    others = [each for each in origins if not is_public(each)]
    if not all(map(ORIGIN.fullmatch, others)):
        yield "WEBAUTHN_ORIGINS"


def is_public(origin: str) -> bool:
    """Whether it is the origin of PUBLIC_URL."""
    return origin == origin_of(settings.PUBLIC_URL)
