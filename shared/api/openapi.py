"""The OpenAPI side of errors: every problem an operation may answer with."""

from collections.abc import Iterable, Mapping

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers

from shared.api.exceptions import CODES
from shared.api.negotiation import PROBLEM
from shared.api.problem_details import problem

Codes = Mapping[int, tuple[str, ...]]  # codes of problems, by status

# What any operation may answer with: Django, DRF or the gateway can refuse a request
# before the view runs.
ALWAYS: Codes = {
    400: ("bad_request",),
    406: ("not_acceptable",),
    414: ("uri_too_long",),
    429: ("rate_limited",),
    431: ("headers_too_large",),
    500: ("internal_error",),
    503: ("dependency_unavailable", "upstream_unavailable", "overloaded"),
}
WITH_BODY: Codes = {
    413: ("payload_too_large",),
    415: ("unsupported_media_type",),
}
# The 401 of operations that need an access token.
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


def response(
    status: int, codes: Iterable[str], shape: type[ProblemSerializer]
) -> OpenApiResponse:
    """One status with an example for each of its codes."""
    request = {"request_id": "f3b1c0d29e4a4c1d"}
    examples = {code: problem(status, code) | request for code in codes}
    return OpenApiResponse(
        response=shape,
        description=" / ".join(f"`{code}`: {CODES[code]}" for code in codes),
        examples=[
            OpenApiExample(code, value=example, media_type=PROBLEM)
            for code, example in examples.items()
        ],
    )
