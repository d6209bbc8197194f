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
        schema = SpectacularJSONAPIView.as_view()
        # Script and page apart, so that the policy forbids inline scripts.
        docs = SpectacularSwaggerSplitView.as_view(url_name="schema")
        routes += [
            path(f"{prefix}/openapi.json", schema, name="schema"),
            path(f"{prefix}/docs", docs, name="docs"),
        ]
    return routes
