"""The routes that every service has, under its own prefix."""

from django.conf import settings
from django.urls import URLPattern, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from shared.api.health import LiveView, ReadyView


def common(prefix: str) -> list[URLPattern]:
    """Health, and (DOCS_ENABLED) the schema and Swagger UI."""
    routes = [
        path(f"{prefix}/health/live", LiveView.as_view(), name="live"),
        path(f"{prefix}/health/ready", ReadyView.as_view(), name="ready"),
    ]
    if settings.DOCS_ENABLED:
        routes += [
            path(f"{prefix}/openapi.json", SchemaView.as_view(), name="schema"),
            path(f"{prefix}/docs", DocsView.as_view(url_name="schema"), name="docs"),
        ]
    return routes


class SchemaView(SpectacularJSONAPIView):
    """The OpenAPI description of this service."""

    authentication_classes = ()
    permission_classes = ()


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI, script and page apart, so that the policy forbids inline scripts."""

    authentication_classes = ()
    permission_classes = ()
