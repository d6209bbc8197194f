"""`GET /api/v1/<service>/metrics`: the sums of all processes, for Prometheus."""

import time

from django.conf import settings
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.utils.module_loading import import_string
from django.views.decorators.gzip import gzip_page
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from shared import metrics
from shared.api.exceptions import DependencyUnavailable
from shared.api.views import InternalView
from shared.auth.authentication import BasicAPIKeyAuthentication
from shared.auth.permissions import METRICS
from shared.metrics_folder import REFRESHED, State
from shared.structured_logging import dependency_logger

PATIENCE = 5  # seconds for a scraper that does not read its answer
MINUTE = 60.0


class TextRenderer(JSONRenderer):
    """For scrapers that accept text alone. Only errors are rendered, and are JSON."""

    media_type = "text/plain"


# Compressed it fits into the socket's buffer: no thread waits for the scraper.
@method_decorator(gzip_page, name="dispatch")
class MetricsView(InternalView):
    """For Prometheus alone, which has a key of its own."""

    authentication_classes = (BasicAPIKeyAuthentication,)
    renderer_classes = (JSONRenderer, TextRenderer)
    allowed_callers = frozenset({METRICS})

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """503 where the processes cannot count: one of them alone would mislead."""
        if State.is_faulty:
            raise DependencyUnavailable
        if connection := request.META.get("gunicorn.socket"):
            connection.settimeout(PATIENCE)
        refresh()
        return HttpResponse(exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def exposition() -> bytes:
    """The metrics of all processes of this service; without a folder, of this one."""
    if State.folder is None:
        return generate_latest(metrics.REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(State.folder))
    return generate_latest(registry)


def refresh() -> None:
    """Set `build_info` and, at most once a minute, the gauges that need a look-up."""
    version = spectacular_settings.VERSION
    metrics.build_info.labels(version, settings.SERVICE_NAME).set(1)
    if not is_due():
        return
    for name in settings.MINUTE_GAUGES:
        try:
            import_string(name)()
        except Exception as exc:  # noqa: BLE001 - the other metrics are still good
            text = f"no metrics of {name}: {type(exc).__name__}"
            dependency_logger.warning("%s", text, extra={"event": "metrics"})


def is_due() -> bool:
    """Whether no process has set these gauges within the last minute. If so, leave a
    mark for the others. Without a folder there are no others: always true."""
    if State.folder is None:
        return True
    mark = State.folder / REFRESHED
    # Negative once the clock went back.
    if mark.exists() and 0 <= time.time() - mark.stat().st_mtime < MINUTE:
        return False
    mark.touch()
    return True
