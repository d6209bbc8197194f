"""The routes that every service has: health, metrics, schema and documentation.

`live`: the process answers. `ready`: it can serve.
"""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.urls import URLPattern, path, register_converter
from django.urls.converters import UUIDConverter
from django.utils.module_loading import import_string
from django_redis import get_redis_connection
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from redis.exceptions import RedisError
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.metrics import MetricsView
from shared.api.schema import InternalGenerator, PublicGenerator
from shared.api.views import InternalView, OpenView
from shared.keys import keyring


class IDConverter(UUIDConverter):
    """`<id:...>`: a UUID from a client, whose letters may be upper case (RFC 9562
    section 4)."""

    regex = UUIDConverter.regex.replace("a-f", "A-Fa-f")


register_converter(IDConverter, "id")


def common(prefix: str) -> list[URLPattern]:
    """Health, metrics, and (DOCS_ENABLED) the schema and Swagger UI."""
    routes = [
        path(f"{prefix}/health/live", LiveView.as_view(), name="live"),
        path(f"{prefix}/health/ready", ReadyView.as_view(), name="ready"),
        path(f"{prefix}/metrics", MetricsView.as_view(), name="metrics"),
    ]
    if settings.DOCS_ENABLED:
        schema = SchemaView.as_view()
        # Script and page are separate, so that the policy can forbid inline scripts.
        docs = SpectacularSwaggerSplitView.as_view(url_name="schema")
        routes += [
            path(f"{prefix}/openapi.json", schema, name="schema"),
            path(
                f"{prefix}/internal/openapi.json",
                InternalSchemaView.as_view(),
                name="internal-schema",
            ),
            path(f"{prefix}/docs", docs, name="docs"),
        ]
    return routes


class SchemaView(SpectacularJSONAPIView):
    """The OpenAPI document of the public routes, whatever the query says."""

    internal = False

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        media_type = request.accepted_renderer.media_type
        document = openapi_document(self.internal)
        return HttpResponse(document, content_type=media_type)


class InternalSchemaView(SchemaView):
    """The OpenAPI document of the routes for services. The gateway does not name it."""

    internal = True
    authentication_classes = InternalView.authentication_classes
    permission_classes = InternalView.permission_classes


@lru_cache
def openapi_document(internal: bool) -> bytes:
    """The document, cached: a process builds it once, which takes 50 ms."""
    generator = InternalGenerator() if internal else PublicGenerator()
    schema = generator.get_schema(request=None, public=True)
    return OpenApiJsonRenderer().render(schema, renderer_context={})


class HealthSerializer(serializers.Serializer[None]):
    status = serializers.ChoiceField(["ok"])
    service = serializers.CharField()
    degraded = serializers.BooleanField(
        help_text="The service answers requests, but Redis or the worker is "
        "unavailable. Always false in `health/live`."
    )


class LiveView(OpenView):
    """Check that the process is up. This depends on nothing else."""

    @extend_schema(responses={200: HealthSerializer})
    def get(self, request: Request) -> Response:
        return Response(report(degraded=False))


class ReadyView(OpenView):
    """Check that the service can work. 503 without its database or its keys."""

    @extend_schema(responses={200: HealthSerializer})
    def get(self, request: Request) -> Response:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        keyring.verifying_keys().all()
        parts = (import_string(name)() for name in settings.OPTIONAL_PARTS)
        return Response(report(degraded=not all(parts)))


def report(degraded: bool) -> dict[str, str | bool]:
    return {"status": "ok", "service": settings.SERVICE_NAME, "degraded": degraded}


def redis_answers() -> bool:
    try:
        return bool(get_redis_connection("default").ping())
    except (RedisError, OSError):
        return False
