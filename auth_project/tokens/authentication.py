"""Authentication of the Auth Service, where it differs from other services."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.request import Request

from shared.api.parsers import form_decode
from shared.auth.authentication import (
    BasicAPIKeyAuthentication,
    JWTAuthentication,
    Service,
)
from tokens import services


class SessionAuthentication(JWTAuthentication):
    """As in every service, but it asks PostgreSQL about sessions that Redis does not
    know. Other services ask this one."""

    def verify(self, token: str) -> dict[str, Any]:
        return services.verify(token)


class ClientSecretBasicAuthentication(BasicAPIKeyAuthentication):
    """A service that authenticates as standard clients do (`client_secret_basic`): name
    and key are form-urlencoded within the pair (RFC 6749 section 2.3.1). None without
    an Authorization header.

    A request that also has our own header authenticates in two ways, which is refused
    (RFC 6749 section 2.3).
    """

    def authenticate(self, request: Request) -> tuple[Service, None] | None:
        if "HTTP_AUTHORIZATION" not in request.META:
            return None
        return super().authenticate(request)

    def decode(self, text: str) -> str:
        return form_decode(text)


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
