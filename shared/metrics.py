"""The Prometheus metrics of every service.

Each metric is recorded where its event happens. No label has a value that a client
chooses. docs/operations/observability.md has the table.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from itertools import product
from typing import Any, TypeVar

from django.http import HttpRequest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from shared import metrics_folder
from shared.limits.defaults import DEFAULTS

metrics_folder.join()

M = TypeVar("M", bound=MetricWrapperBase)
# The values of each label. None for routes and operations, which are named elsewhere.
Bounds = Mapping[str, Iterable[str] | None]
UNLABELLED: Bounds = {}

REGISTRY = CollectorRegistry(auto_describe=True)
BOUNDS: dict[str, Bounds] = {}  # by metric


def made(
    kind: type[M], name: str, text: str, bounds: Bounds = UNLABELLED, **more: Any
) -> M:
    """Make a metric with these labels. If all values are known, every series exists
    from the start: Prometheus sees no increase when a new series begins with one."""
    metric = kind(f"memo_{name}", text, [*bounds], registry=REGISTRY, **more)
    BOUNDS[f"memo_{name}"] = bounds
    values = [each for each in bounds.values() if each is not None]
    if values and len(values) == len(bounds):
        for each in product(*values):
            metric.labels(*each)
    return metric


# Gauges: the sum over the running processes, or the value that any of them set last.
SUM: dict[str, Any] = {"multiprocess_mode": "livesum"}
LAST: dict[str, Any] = {"multiprocess_mode": "mostrecent"}
SECONDS: dict[str, Any] = {
    "buckets": (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
}

NO_ROUTE = "none"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other")
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
REQUEST: Bounds = {"route": None, "method": METHODS, "status": CLASSES}
requests_total = made(Counter, "requests_total", "Requests answered.", REQUEST)
request_seconds = made(
    Histogram, "request_seconds", "From the request to its answer.", REQUEST, **SECONDS
)

db_pool_size = made(Gauge, "db_pool_size", "Connections to PostgreSQL.", **SUM)
db_pool_waiting = made(Gauge, "db_pool_waiting", "Threads that wait for one.", **SUM)
db_wait_seconds = made(
    Histogram,
    "db_wait_seconds",
    "Waits of threads for a connection.",
    buckets=(0.001, 0.01, 0.1, 1, 3),
)

CALL: Bounds = {"service": ("auth", "users"), "operation": None}
internal_call_seconds = made(
    Histogram, "internal_call_seconds", "Calls of another service.", CALL, **SECONDS
)
internal_calls_failed_total = made(
    Counter, "internal_calls_failed_total", "Calls without a good answer.", CALL
)

redis_fallbacks_total = made(
    Counter,
    "redis_fallbacks_total",
    "Without Redis: asked of PostgreSQL, counted in memory, left to the sweep.",
    {"what": ("sessions", "limits", "revocations")},
)
circuit_open = made(
    Gauge,
    "circuit_open",
    "Processes that have stopped asking a server that failed.",
    {"what": ("sessions", "limits", "push")},
    **SUM,
)
rate_limited_total = made(
    Counter, "rate_limited_total", "Attempts beyond a limit.", {"policy": DEFAULTS}
)
logins_total = made(
    Counter,
    "logins_total",
    "Attempts to log in.",
    {
        "outcome": ("success", "second_factor", "invalid", "limited", "failed"),
        "method": ("password", "second_factor", "passkey", "admin"),
    },
)
# Outcomes by error code. A right password that needs a second factor is counted; the
# second factor is another attempt.
REFUSALS = {"second_factor_required": "second_factor", "rate_limited": "limited"}
REFUSALS |= dict.fromkeys(
    ("invalid_credentials", "second_factor_invalid", "token_invalid", "login_settled"),
    "invalid",
)
tokens_not_yet_valid_total = made(
    Counter, "tokens_not_yet_valid_total", "Tokens by a clock ahead of ours."
)
build_info = made(
    Gauge,
    "build_info",
    "1, for each version that runs.",
    {"version": None, "service": None},
    multiprocess_mode="livemax",
)


def count_request(request: HttpRequest, status: int, seconds: float) -> None:
    """Count a request that was answered."""
    match, method = request.resolver_match, str(request.method)
    # Not by a method that the route does not have: anybody could make a series of each.
    known = (
        method in METHODS
        and status != HTTPStatus.METHOD_NOT_ALLOWED
        and has_method(match and match.func, method)
    )
    total, times = of_requests(
        match.route if match else NO_ROUTE,
        method if known else "other",
        CLASSES[status // 100 - 1],
    )
    total.inc()
    times.observe(seconds)


def has_method(view: object, method: str) -> bool:
    """Whether the view may have this method. The status does not tell it: tokens and
    Accept headers are refused first."""
    cls = getattr(view, "view_class", None)  # a function has none
    verb = "get" if method == "HEAD" else method.lower()
    return cls is None or (verb in cls.http_method_names and hasattr(cls, verb))


@cache
def of_requests(*labels: str) -> tuple[Counter, Histogram]:
    """The two metrics of requests with these labels."""
    return requests_total.labels(*labels), request_seconds.labels(*labels)


@contextmanager
def counted_login(method: str) -> Iterator[None]:
    """Count a login attempt. The error that the block raises decides its outcome."""
    outcome = "success"
    try:
        yield
    except Exception as exc:
        outcome = REFUSALS.get(getattr(exc, "default_code", ""), "failed")
        raise
    finally:
        logins_total.labels(outcome, method).inc()
