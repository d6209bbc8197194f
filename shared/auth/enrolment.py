"""Authentication by an enrol token, with which a user who must have a second factor and
has none adds the first one. It allows nothing else and belongs to no session.

A view lists this class before JWTAuthentication. The view refuses the token if the
user's session epoch has changed or the user has a factor.
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
    """The user of an enrol token, who may add a first factor. Permissions for users
    with a session refuse it."""

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
