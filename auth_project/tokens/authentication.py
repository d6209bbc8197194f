"""Authentication of the Auth Service, where it differs from other services."""

import hmac
from base64 import b64decode
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.request import Request

from shared.api.parsers import form_decode
from shared.auth.api_keys import caller_of
from shared.auth.authentication import APIKeyAuthentication, JWTAuthentication, Service
from tokens import services

BASIC_CHALLENGE = 'Basic realm="internal"'


class SessionAuthentication(JWTAuthentication):
    """As in every service, but what Redis does not know PostgreSQL is asked here: other
    services ask us."""

    def verify(self, token: str) -> dict[str, Any]:
        return services.verify(token)


class ClientSecretBasicAuthentication(APIKeyAuthentication):
    """A service as standard clients present themselves: HTTP Basic with its name and
    its API key (`client_secret_basic`). None without an Authorization header.

    Our own header next to it would be a second way of authenticating in one request,
    which is refused (RFC 6749 section 2.3).
    """

    def authenticate(self, request: Request) -> tuple[Service, None] | None:
        if "HTTP_AUTHORIZATION" not in request.META:
            return None
        return super().authenticate(request)

    def caller(self, request: Request) -> str | None:
        if "HTTP_X_INTERNAL_API_KEY" in request.META:
            return None
        try:
            name, key = basic_credentials(request.META["HTTP_AUTHORIZATION"])
        except ValueError:
            return None
        owner = caller_of(key)
        # A key proves its owner's name and no other.
        same = hmac.compare_digest(name.encode(), (owner or "").encode())
        return owner if same else None

    def authenticate_header(self, request: Request) -> str:
        return BASIC_CHALLENGE


def basic_credentials(header: str) -> tuple[str, str]:
    """Client id and secret, each form-urlencoded within the pair (RFC 6749 section
    2.3.1). Raises ValueError."""
    scheme, encoded = header.split()
    if scheme.lower() != "basic":
        raise ValueError("another scheme")
    name, separator, key = b64decode(encoded, validate=True).decode().partition(":")
    if not separator:
        raise ValueError("no pair")
    return form_decode(name), form_decode(key)


class ClientSecretBasicScheme(OpenApiAuthenticationExtension):
    target_class = ClientSecretBasicAuthentication
    name = "clientSecretBasic"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "basic",
            "description": "The service's name and its API key, each form-urlencoded "
            "(RFC 6749 section 2.3.1).",
        }
