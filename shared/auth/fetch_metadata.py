"""Which site a browser's request comes from (OWASP, Cross-Site Request Forgery).

For routes that read or set a cookie: SameSite does not stop a sibling subdomain, and a
POST without a body needs no preflight. Only browsers send these headers.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS, BasePermission

from shared.api.client_ip import client_address
from shared.api.exceptions import CrossSiteRequest
from shared.http.origins import origin_of
from shared.structured_logging import audit


class SameOriginRequired(BasePermission):
    """Refuses pages other than our own and CORS_ALLOWED_ORIGINS on our site."""

    def has_permission(self, request: HttpRequest, view: Any) -> bool:
        """True, also for safe methods, which change nothing. Raises
        CrossSiteRequest."""
        if request.method in SAFE_METHODS:
            return True
        origin = request.META.get("HTTP_ORIGIN")
        site = request.META.get("HTTP_SEC_FETCH_SITE")
        if not is_from_here(request, origin, site):
            audit(
                "malicious_csrf",
                route=request.resolver_match and request.resolver_match.route,
                ip=client_address(request),
                fetch_site=(site or "")[:16],
            )
            raise CrossSiteRequest
        return True


def is_from_here(request: HttpRequest, origin: str | None, site: str | None) -> bool:
    """Whether Fetch Metadata (W3C) and Origin (RFC 6454 section 7; older browsers send
    it too) allow the request. Each that is present must. Origin `null` is refused."""
    if site is not None and site != "same-origin":
        return site == "same-site" and origin in settings.CORS_ALLOWED_ORIGINS
    return origin is None or origin in {*own(request), *settings.CORS_ALLOWED_ORIGINS}


def own(request: HttpRequest) -> set[str]:
    """The origin of the request, as the gateway saw it, and the public one."""
    asked = f"{request.scheme}://{request.get_host()}"
    return {origin_of(url) for url in (asked, settings.JWT_ISSUER)}
