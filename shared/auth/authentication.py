"""Authentication of callers: a user by access token, or a service by API key."""

import hmac
from base64 import b64decode
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from shared.api.exceptions import (
    ServiceAuthFailed,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    Unauthorized,
)
from shared.auth import access_tokens, api_keys, session_state
from shared.clients import auth_client

API_KEY_HEADER = "X-Internal-Api-Key"
BASIC_CHALLENGE = 'Basic realm="internal"'


@dataclass(frozen=True)
class TokenUser:
    """The caller as the access token describes them, without a database query."""

    id: UUID
    sid: UUID
    email: str
    username: str
    roles: tuple[str, ...]
    email_verified: bool = False
    auth_time: int = 0  # of the login or the last step-up; a NumericDate
    acr: str = "aal1"  # the level of the session
    amr: tuple[str, ...] = ()  # how the user was authenticated (RFC 8176)
    epoch: int = 0  # the session epoch of the user that the session has

    is_authenticated = True

    @property
    def pk(self) -> UUID:
        return self.id


@dataclass(frozen=True)
class Service:
    """Another service, by its name in INTERNAL_API_KEYS."""

    name: str

    is_authenticated = True


class JWTAuthentication(BaseAuthentication):
    """Bearer access tokens (RFC 6750) whose session has not ended.

    `request.user` is a TokenUser, `request.auth` the claims. The Auth Service overrides
    `verify`.
    """

    def authenticate(self, request: Request) -> tuple[TokenUser, dict[str, Any]] | None:
        token = bearer_token(request)
        if token is None:
            return None
        claims = self.verify(token)
        user = TokenUser(
            id=UUID(claims["sub"]),
            sid=UUID(claims["sid"]),
            email=claims.get("email", ""),
            username=claims.get("username", ""),
            roles=tuple(claims.get("roles", ())),
            email_verified=claims.get("email_verified", False),
            auth_time=claims.get("auth_time", 0),
            acr=claims.get("acr", "aal1"),
            amr=tuple(claims.get("amr", ())),
            epoch=claims.get("epoch", 0),
        )
        request._request.caller = str(user.id)  # type: ignore[attr-defined]
        return user, claims

    def verify(self, token: str) -> dict[str, Any]:
        """Claims of a token whose session lives. Raises TokenError."""
        claims = access_tokens.decode(token, "access")
        check_session(claims["sid"], token)
        return claims

    def authenticate_header(self, request: Request) -> str:
        return Unauthorized.auth_header


def bearer_token(request: Request) -> str | None:
    """The token of an Authorization header. The scheme is not case-sensitive.

    None without the header or with another scheme. Raises TokenMissing for a bare
    `Bearer`, TokenInvalid for more than one token (RFC 6750 section 2.1).
    """
    scheme, *credentials = request.META.get("HTTP_AUTHORIZATION", "").split() or [""]
    if scheme.lower() != "bearer":
        return None
    if not credentials:
        raise TokenMissing
    if len(credentials) > 1:
        raise TokenInvalid
    token: str = credentials[0]
    return token


def check_session(sid: str, token: str) -> None:
    """Raise TokenRevoked if the session has ended.

    If Redis does not know the session, the Auth Service is asked, which reads
    PostgreSQL. If neither is available: DependencyUnavailable, never a 401.
    """
    active = session_state.is_active(sid)
    if active is None:
        auth_client().verify_token(token)
    elif not active:
        raise TokenRevoked


class APIKeyAuthentication(BaseAuthentication):
    """Calls between services: `request.user` is the Service that the key belongs to.

    Two keys of one caller may be valid at once, so that keys can be rotated.
    """

    def authenticate(self, request: Request) -> tuple[Service, None] | None:
        name = self.caller(request)
        if name is None:
            raise ServiceAuthFailed
        request._request.caller = f"service:{name}"  # type: ignore[attr-defined]
        return Service(name), None

    def caller(self, request: Request) -> str | None:
        """The name of the caller that the request's credentials belong to, or None."""
        return api_keys.caller_of(request.META.get("HTTP_X_INTERNAL_API_KEY", ""))

    def authenticate_header(self, request: Request) -> str:
        return ServiceAuthFailed.auth_header


class BasicAPIKeyAuthentication(APIKeyAuthentication):
    """Also accepts HTTP Basic (RFC 7617) with a caller's name and key, for clients that
    cannot send our header. A request with both is refused."""

    def caller(self, request: Request) -> str | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return super().caller(request)
        if "HTTP_X_INTERNAL_API_KEY" in request.META:
            return None
        try:
            name, key = map(self.decode, basic_credentials(header))
        except ValueError:
            return None
        owner = api_keys.caller_of(key)
        # A key proves its owner's name and no other.
        same = hmac.compare_digest(name.encode(), (owner or "").encode())
        return owner if same else None

    def decode(self, text: str) -> str:
        """A name or key of the pair. A subclass may have to decode it."""
        return text

    def authenticate_header(self, request: Request) -> str:
        return BASIC_CHALLENGE


def basic_credentials(header: str) -> tuple[str, str]:
    """The name and the key of an Authorization header. Raises ValueError."""
    scheme, encoded = header.split()
    if scheme.lower() != "basic":
        raise ValueError("another scheme")
    name, separator, key = b64decode(encoded, validate=True).decode().partition(":")
    if not separator:
        raise ValueError("no pair")
    return name, key


class JWTScheme(OpenApiAuthenticationExtension):
    target_class: Any = JWTAuthentication
    match_subclasses = True
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class APIKeyScheme(OpenApiAuthenticationExtension):
    target_class = APIKeyAuthentication
    name = "internalApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": API_KEY_HEADER}
