"""The HTTP side of what OAuth standards define, for clients that know only these."""

from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.exceptions import ServiceAuthFailed, TokenError
from shared.api.parsers import StrictFormParser
from shared.api.views import InternalView, OpenView, valid
from shared.auth.authentication import BASIC_CHALLENGE, APIKeyAuthentication
from shared.keys import keyring, signing_keys
from tokens import serializers as s
from tokens import services
from tokens.authentication import ClientSecretBasicAuthentication

# Both schemes, Basic first: a client that tried Basic must find its challenge (RFC 6749
# section 5.2, RFC 9110 section 11.6.1).
CHALLENGES = f"{BASIC_CHALLENGE}, {ServiceAuthFailed.auth_header}"

# The claims of a live token in the answer, if the token has them.
INTROSPECTION_CLAIMS = tuple(s.IntrospectionSerializer().fields)


class IntrospectView(InternalView):
    """Check an access token and get its claims (RFC 7662). For all services.

    The answer for any token but a live access token is `{"active": false}`.
    """

    authentication_classes = (ClientSecretBasicAuthentication, APIKeyAuthentication)
    parser_classes = (StrictFormParser,)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if response.status_code == 401:
            response["WWW-Authenticate"] = CHALLENGES
        return response

    @extend_schema(
        operation_id="auth_introspect",
        request=s.IntrospectionRequestSerializer,
        responses={200: s.IntrospectionSerializer},
    )
    def post(self, request: Request) -> Response:
        body = valid(s.IntrospectionRequestSerializer(data=request.data))
        answer = introspection_response(body["token"])
        return Response(answer, headers={"Cache-Control": "no-store"})


def introspection_response(token: str) -> dict[str, Any]:
    """The answer of RFC 7662 section 2.2; `token_type` is OAuth's, not our claim."""
    try:
        claims = services.verify(token)
    except TokenError:
        return {"active": False}
    known = {name: claims[name] for name in INTROSPECTION_CLAIMS if name in claims}
    return known | {"active": True, "token_type": "Bearer"}


class JWKSetRenderer(JSONRenderer):
    media_type = "application/jwk-set+json"  # RFC 7517 section 8.5.2


class JWKSetView(OpenView):
    """Get the public keys that verify our tokens (RFC 7517)."""

    renderer_classes = (JSONRenderer, JWKSetRenderer)

    @extend_schema(
        operation_id="auth_jwks",
        responses={200: s.JWKSetSerializer},
    )
    def get(self, request: Request) -> Response:
        keys = keyring.verifying_keys().all().values()
        key_set = {"keys": [signing_keys.public_jwk(key.key) for key in keys]}
        max_age = f"public, max-age={settings.JWKS_MAX_AGE}"
        return Response(key_set, headers={"Cache-Control": max_age})


class MetadataView(OpenView):
    """Get the issuer of our tokens and the URL of the keys (RFC 8414).

    Login is first-party: there is no OAuth grant, and so no endpoint for one.
    """

    @extend_schema(
        operation_id="auth_metadata",
        responses={200: s.MetadataSerializer},
    )
    def get(self, request: Request) -> Response:
        issuer = settings.JWT_ISSUER
        members: dict[str, str | list[str]] = {
            "issuer": issuer,
            "jwks_uri": urljoin(issuer, "/.well-known/jwks.json"),
            # Empty, though section 3.2 would omit them: the first is REQUIRED, and
            # without the second clients assume two grants.
            "response_types_supported": [],
            "grant_types_supported": [],
        }
        if settings.DOCS_ENABLED:
            members["service_documentation"] = urljoin(issuer, "/api/v1/auth/docs")
        max_age = f"public, max-age={settings.JWKS_MAX_AGE}"
        return Response(members, headers={"Cache-Control": max_age})
