"""The OpenAPI side of errors: every problem an operation may answer with."""

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers

from shared.api.exceptions import CODES
from shared.api.negotiation import PROBLEM
from shared.api.problem_details import problem

# Codes by status that any operation may answer with: Django, DRF or the gateway can
# refuse a request before the view runs.
ALWAYS: dict[int, tuple[str, ...]] = {
    400: ("bad_request",),
    406: ("not_acceptable",),
    414: ("uri_too_long",),
    429: ("rate_limited",),
    431: ("headers_too_large",),
    500: ("internal_error",),
    503: ("dependency_unavailable", "upstream_unavailable", "overloaded"),
}
WITH_BODY: dict[int, tuple[str, ...]] = {
    400: ("validation_error", "invalid_json", "bad_request"),
    413: ("payload_too_large",),
    415: ("unsupported_media_type",),
}
# For `_401` of operations that need an access token.
TOKEN_PROBLEMS = (
    "token_missing",
    "token_invalid",
    "token_expired",
    "token_not_yet_valid",
    "token_revoked",
)


class FieldErrorSerializer(serializers.Serializer[None]):
    message = serializers.CharField()
    code = serializers.CharField()


class ProblemSerializer(serializers.Serializer[None]):
    """RFC 9457 problem details."""

    type = serializers.CharField(help_text="`about:blank`")
    title = serializers.CharField(help_text="The HTTP reason phrase of the status.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="For a human reader.")
    code = serializers.ChoiceField(sorted(CODES), help_text="Stable, for programs.")
    request_id = serializers.CharField(help_text="Identifies the request in the logs.")
    errors = serializers.DictField(  # type: ignore[assignment]
        child=FieldErrorSerializer(many=True),
        required=False,
        help_text="For `validation_error`: the errors of each field.",
    )


def problems(
    body: bool = False, **codes: tuple[str, ...]
) -> dict[tuple[int, str], OpenApiResponse]:
    """Error responses of an operation.

    `_401=("token_expired",)` adds codes to a status; `body` adds the errors of reading
    a request body.
    """
    by_status = dict(ALWAYS)
    for more in (WITH_BODY if body else {}, {int(k[1:]): v for k, v in codes.items()}):
        for status, names in more.items():
            by_status[status] = (*names, *by_status.get(status, ()))
    return {
        (status, PROBLEM): response(status, tuple(dict.fromkeys(names)))
        for status, names in sorted(by_status.items())
    }


def response(status: int, codes: tuple[str, ...]) -> OpenApiResponse:
    """One status with an example for each of its codes."""
    request = {"request_id": "f3b1c0d29e4a4c1d"}
    examples = {code: problem(status, code) | request for code in codes}
    return OpenApiResponse(
        response=ProblemSerializer,
        description=" / ".join(f"`{code}`: {CODES[code]}" for code in codes),
        examples=[
            OpenApiExample(code, value=example, media_type=PROBLEM)
            for code, example in examples.items()
        ],
    )
