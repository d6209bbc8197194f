"""Every error that a service answers with. `shared.api.problem_details` sends them.

The wire format is RFC 9457 (application/problem+json). `code` is the stable, machine
readable name. CODES is the closed list of these names.
"""

import math
from typing import Any

from rest_framework import status
from rest_framework.exceptions import APIException

# The `detail` of each code. Documentation and OpenAPI documents publish this list.
CODES = {
    "account_exists": "The e-mail address or username is taken.",
    "bad_request": "The request line, a header or the host is malformed.",
    "cross_site_request": "A browser sent this for a page of another site.",
    "dependency_unavailable": "A database or service did not answer. Try again.",
    "factor_limit": "You have as many factors as an account may have.",
    "forbidden": "You are not allowed to do this.",
    "headers_too_large": "The request headers are too large.",
    "insufficient_user_authentication": "Authenticate again, as WWW-Authenticate says.",
    "internal_error": "A fault of ours. The request id finds it in our logs.",
    "invalid_credentials": "Login or password is wrong.",
    "invalid_form": "The body is not a well-formed form (UTF-8, no field twice).",
    "invalid_json": "The body is not well-formed JSON "
    "(UTF-8, no duplicate keys, at most 100 levels).",
    "last_factor": "Your account needs another factor. Add it first.",
    "last_superuser": "You are the only superuser. Make another one first.",
    "link_invalid": "The link is used, expired or unknown. Ask for another.",
    "login_settled": "This login is complete. Use its answer, or log in again.",
    "method_not_allowed": "The resource has no such method. See Allow.",
    "misdirected_request": "This gateway does not serve that host.",
    "not_acceptable": "Only JSON is available.",
    "not_found": "There is nothing here.",
    "overloaded": "Too many requests at once. Try again.",
    "payload_too_large": "The body is too large.",
    "precondition_failed": "A file has changed since If-Match or If-Unmodified-Since.",
    "rate_limited": "Too many attempts. Try again later.",
    "refresh_token_reused": "A replaced refresh token was used. The session has ended.",
    "second_factor_invalid": "The code, passkey or recovery code is not accepted.",
    "second_factor_required": "A second factor is needed.",
    "service_auth_failed": "The internal API key is missing or wrong.",
    "token_expired": "The token has expired.",
    "token_invalid": "The token is malformed, forged, or meant for something else.",
    "token_missing": "No token was sent.",
    "token_not_yet_valid": "The token is not valid yet. Check the clocks.",
    "token_revoked": "The session has ended.",
    "unsupported_media_type": "Send application/json, or a type in Accept.",
    "upgrade_required": "Use https.",
    "upstream_unavailable": "The service behind the gateway did not answer. Try again.",
    "uri_too_long": "The request target is too long.",
    "user_not_found": "The user is unknown, deleted or inactive (internal).",
    "username_taken": "The username is taken. Choose another.",
    "validation_error": "The input is well-formed, but not valid. See errors.",
}


class Unauthorized(APIException):
    """401 with the challenge RFC 9110 section 15.5.2 asks for."""

    status_code = status.HTTP_401_UNAUTHORIZED
    auth_header = 'Bearer realm="api"'


class InvalidCredentials(Unauthorized):
    """Unknown, wrong, inactive and deleted look alike (OWASP Authentication)."""

    default_code = "invalid_credentials"


class TokenMissing(Unauthorized):
    default_code = "token_missing"


class TokenError(Unauthorized):
    """A token was presented and refused (RFC 6750 section 3.1)."""

    auth_header = 'Bearer realm="api", error="invalid_token"'
    default_code = "token_invalid"


class TokenInvalid(TokenError):
    pass


class TokenExpired(TokenError):
    default_code = "token_expired"


class TokenNotYetValid(TokenError):
    default_code = "token_not_yet_valid"


class TokenRevoked(TokenError):
    default_code = "token_revoked"


class RefreshTokenReused(TokenError):
    default_code = "refresh_token_reused"


class InsufficientUserAuthentication(Unauthorized):
    """The token is good, but its authentication is too weak for `acr_values` or older
    than `max_age` seconds (RFC 9470 section 3). The client steps up."""

    default_code = "insufficient_user_authentication"

    def __init__(self, acr_values: str = "", max_age: int | None = None) -> None:
        super().__init__()
        wanted = {"error": self.default_code, "acr_values": acr_values}
        wanted |= {"max_age": "" if max_age is None else str(max_age)}
        named = [f'{name}="{value}"' for name, value in wanted.items() if value]
        self.auth_header = ", ".join([Unauthorized.auth_header, *named])


class SecondFactorRequired(Unauthorized):
    """The password is right, but the login needs more. The members say how it
    continues."""

    default_code = "second_factor_required"

    def __init__(self, **members: Any) -> None:
        super().__init__()
        self.members = members


class SecondFactorInvalid(Unauthorized):
    """Wrong, used and unknown factors look alike. Between services `tries_left` is not
    known."""

    default_code = "second_factor_invalid"

    def __init__(self, tries_left: int | None = None) -> None:
        super().__init__()
        self.members = {} if tries_left is None else {"tries_left": tries_left}


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT


class LoginSettled(Conflict):
    """The pending login is complete already, perhaps in another tab."""

    default_code = "login_settled"


class FactorLimit(Conflict):
    default_code = "factor_limit"


class LastFactor(Conflict):
    """The last factor of a user who must have one or could not log in without it."""

    default_code = "last_factor"


class ServiceAuthFailed(Unauthorized):
    auth_header = 'ApiKey realm="internal"'
    audit_event = "authz_fail"  # `shared.api.problem_details` logs it
    default_code = "service_auth_failed"


class Forbidden(APIException):
    status_code = status.HTTP_403_FORBIDDEN
    audit_event = "authz_fail"
    default_code = "forbidden"


class CrossSiteRequest(Forbidden):
    audit_event = ""  # `SameOriginRequired` audits it, with what the browser sent
    default_code = "cross_site_request"


class UserNotFound(APIException):
    """Unknown, deleted and inactive users look alike.

    It has its own code: a 404 from something else at our address must not be
    mistaken for "this user is gone".
    """

    status_code = status.HTTP_404_NOT_FOUND
    default_code = "user_not_found"


class AccountExists(Conflict):
    default_code = "account_exists"


class UsernameTaken(Conflict):
    """Says nothing about the e-mail address: the client must not learn whether that is
    taken too."""

    default_code = "username_taken"


class LastSuperuser(Conflict):
    """Without one, no user can give rights to others."""

    default_code = "last_superuser"


class LinkInvalid(APIException):
    """Used, expired, unknown and forged links look alike."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "link_invalid"


class FormInvalid(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "invalid_form"


class PayloadTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "payload_too_large"


class RateLimited(APIException):
    """Every refusal by a limit looks the same. It reveals neither the limit nor whether
    the account exists."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "rate_limited"

    def __init__(self, seconds: float = 1) -> None:
        super().__init__()
        # DRF's name for this attribute. It becomes Retry-After.
        self.wait = max(math.ceil(seconds), 1)


class Unavailable(APIException):
    """503 with Retry-After: nothing was changed that the client must know of."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    wait = 1  # seconds; becomes Retry-After


class DependencyUnavailable(Unavailable):
    default_code = "dependency_unavailable"


class Overloaded(Unavailable):
    default_code = "overloaded"


def error_headers(exc: APIException) -> dict[str, str]:
    """The headers of an error."""
    headers: dict[str, Any] = {
        "WWW-Authenticate": getattr(exc, "auth_header", None),
        "Retry-After": getattr(exc, "wait", None),
    }
    return {name: str(value) for name, value in headers.items() if value is not None}
