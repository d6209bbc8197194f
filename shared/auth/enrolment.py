"""Authentication by an enrol token: a user who must have a second factor, and has none,
may add the first one. It opens nothing else, and belongs to no session.

A view names it before JWTAuthentication. The view refuses it once the user's session
epoch is another, or the user has a factor.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from shared.api.exceptions import TokenInvalid, Unauthorized
from shared.auth import access_tokens
from shared.auth.authentication import JWTScheme, bearer_token

LIFETIME = 600  # seconds


@dataclass(frozen=True)
class EnrolmentUser:
    """Who may add a first factor, as the token says. No permission for users with a
    session lets one in."""

    id: UUID
    epoch: int  # the user's session epoch when the password was verified

    is_authenticated = True

    @property
    def pk(self) -> UUID:
        return self.id


class EnrolmentAuthentication(BaseAuthentication):
    """Bearer enrol tokens. None for other tokens, which the next class looks at."""

    def authenticate(
        self, request: Request
    ) -> tuple[EnrolmentUser, dict[str, Any]] | None:
        token = bearer_token(request)
        if token is None or not access_tokens.claims_type(token, "enrol"):
            return None
        claims = access_tokens.decode(token, "enrol")
        if type(claims.get("epoch")) is not int:
            raise TokenInvalid
        user = EnrolmentUser(UUID(claims["sub"]), claims["epoch"])
        request._request.caller = str(user.id)  # type: ignore[attr-defined]
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        return Unauthorized.auth_header


class EnrolmentScheme(JWTScheme):
    target_class = EnrolmentAuthentication
    name = "enrolToken"
