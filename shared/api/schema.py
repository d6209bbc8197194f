"""The two OpenAPI documents of a service: what is public, and what is for services."""

import re
from typing import Any

from django.conf import settings
from drf_spectacular import openapi
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import Direction

from shared.api.fields import StrictSerializer
from shared.api.negotiation import PROBLEM
from shared.api.openapi import ALWAYS, WITH_BODY, Codes, ProblemSerializer, response
from shared.api.views import InternalView


class AutoSchema(openapi.AutoSchema):
    """What linters and generators require of every operation."""

    def get_summary(self) -> str:
        """The first sentence of the description."""
        text = " ".join(self.get_description().split())
        return re.split(r"(?<=[.?!]) ", text, maxsplit=1)[0].rstrip(".")

    def get_tags(self) -> list[str]:
        return [settings.SERVICE_NAME]

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        """No additional properties, if `StrictSerializer` refuses them."""
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)
        is_strict = isinstance(serializer, StrictSerializer)
        return schema | ({"additionalProperties": False} if is_strict else {})

    def _get_request_body(self, direction: str = "request") -> Any:
        """Includes the body of a DELETE that has one: drf-spectacular omits it."""
        if self.method != "DELETE" or self.get_request_serializer() is None:
            return super()._get_request_body(direction)
        self.method = "POST"
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = "DELETE"

    def _get_response_bodies(self, direction: Direction = "response") -> Any:
        """With the errors that the operation has by its view, path and body."""
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        statuses = {str(status) for codes in self.problem_codes() for status in codes}
        for status in statuses - bodies.keys():
            bodies[status] = self._get_response_for_code((), status)
        return dict(sorted(bodies.items()))

    def _get_response_for_code(
        self, serializer: Any, status_code: str, media_types: Any = None, *args: Any
    ) -> Any:
        """In `responses`, a tuple has the codes of an error, besides those."""
        if isinstance(serializer, tuple):
            status, codes = int(status_code), list(serializer)
            for others in self.problem_codes():
                codes += others.get(status, ())
            shapes = getattr(self.view, "problem_shapes", {})
            shape = shapes.get(status, ProblemSerializer)
            serializer = response(status, dict.fromkeys(codes), shape)
            media_types = (PROBLEM,)
        return super()._get_response_for_code(
            serializer, status_code, media_types, *args
        )

    def problem_codes(self) -> list[Codes]:
        """The codes of the view, the path and the body, and those of all operations."""
        found = [getattr(self.view, "problem_codes", {})]
        if "{" in self.path:
            found.append({404: ("not_found",)})
        if self.method != "GET" and self.get_request_serializer() is not None:
            found += [{400: ("validation_error", *self.malformed())}, WITH_BODY]
        return [*found, ALWAYS]

    def malformed(self) -> list[str]:
        """The codes for bodies that the parsers cannot read."""
        parsers = self.view.parser_classes
        return [getattr(each, "malformed", "invalid_json") for each in parsers]

    def get_auth(self) -> list[dict[str, Any]]:
        """`{}` for an operation that needs no authentication."""
        return super().get_auth() or [{}]


class PublicGenerator(SchemaGenerator):
    """The document of what the gateway lets through."""

    internal = False

    def _get_paths_and_endpoints(self) -> list[Any]:
        found = super()._get_paths_and_endpoints()
        return [
            each
            for each in found
            if isinstance(each[-1], InternalView) is self.internal
        ]

    def get_schema(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The document, with the server that it is read from, and without the security
        schemes that no operation names."""
        schema: dict[str, Any] = super().get_schema(*args, **kwargs)
        schemes = schema["components"].get("securitySchemes", {})
        operations = [
            each for path in schema["paths"].values() for each in path.values()
        ]
        named = {
            name for each in operations for way in each["security"] for name in way
        }
        for name in schemes.keys() - named:
            del schemes[name]
        return schema | {"servers": [{"url": "/"}]}


class InternalGenerator(PublicGenerator):
    """The document of the routes for other services."""

    internal = True

    def get_schema(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        schema = super().get_schema(*args, **kwargs)
        schema["info"]["title"] += ": internal routes"
        return schema
