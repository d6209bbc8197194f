"""How services call each other: short timeouts, one kind of failure.

A remote failure is never passed on to a user as a 401.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from rest_framework.exceptions import APIException
from urllib3.exceptions import MaxRetryError, NameResolutionError, ReadTimeoutError
from urllib3.util import Retry

from shared import metrics
from shared.api.exceptions import DependencyUnavailable, Overloaded, RateLimited
from shared.circuit_breaker import Bulkhead
from shared.http.session import new_session
from shared.structured_logging import dependency_logger, request_id

# (connect, read) in seconds; `deadline` bounds the time of a whole answer. A
# request with all its calls fits in the gateway's 15 s.
TIMEOUT = (1.0, 3.0)


class OneRetry(Retry):
    """One more try to connect, or to send an idempotent request whose connection broke.

    A POST that was sent may have been carried out, so urllib3 does not repeat it. Nor
    is a request repeated if the service was too slow to answer, or a name looked up
    twice: no timeout ends that.
    """

    def increment(self, *args: Any, **kwargs: Any) -> "OneRetry":
        error = kwargs.get("error")
        if isinstance(error, ReadTimeoutError):
            raise error
        if isinstance(error, NameResolutionError):
            raise MaxRetryError(kwargs["_pool"], args[1], error) from error
        return super().increment(*args, **kwargs)


RETRIES = OneRetry(
    connect=1,
    read=1,
    redirect=0,
    status=0,
    other=0,
    backoff_factor=0.05,
    respect_retry_after_header=False,  # else a 503 is no answer, but a RetryError
)

ID = re.compile(r"[^/]*\d[^/]*")  # a UUID or a number

# A key, or a function that returns the current one: keys rotate while services run.
Key = str | Callable[[], str]


class ServiceClient:
    """Base of the clients: one pooled `requests` session per thread. Fewer calls run at
    once than a worker has threads: a slow service must not keep requests waiting that
    do not need it."""

    def __init__(self, url: str, api_key: Key, threads: int = 8) -> None:
        self.url = url.rstrip("/")
        self.calls = Bulkhead(max(threads - 1, 1))
        self.api_key = api_key
        self.local = threading.local()

    def call(self, *args: Any) -> dict[str, Any]:
        """What `exchange` does, in one of the slots. Raises Overloaded without one."""
        with self.calls.slot():
            return self.exchange(*args)

    def exchange(
        self,
        method: str,
        path: str,
        member: str,
        body: Any = None,
        *expected: type[APIException],
    ) -> dict[str, Any]:
        """The JSON object in the answer. It must have `member`, since another program
        may answer at that address.

        Raises one of the `expected` errors for a 4xx with its code, Overloaded, or
        DependencyUnavailable for any other failure, which is a fault of ours.
        """
        try:
            with metrics.internal_call_seconds.labels(*operation(path)).time():
                response = self.send(method, path, body, self.headers())
            answer: dict[str, Any] = response.json()
        except (OSError, ValueError, RecursionError) as exc:
            # RequestException is an OSError. Also for a redirect to no URL, for JSON
            # with too many digits or levels, and if the file of certificates is gone.
            raise self.failure(path, type(exc).__name__) from exc
        found = isinstance(answer, dict) and member in answer
        # Not `response.ok`, which is true for a redirect too.
        if response.status_code == 200 and found:
            return answer
        raise self.refusal(path, response, answer, expected)

    def send(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> requests.Response:
        # By its `json`, `requests` would write some text six times as long. Of what one
        # service takes from a client, another could then say that it is too large.
        content = None
        if body is not None:
            text = json.dumps(body, ensure_ascii=False, allow_nan=False)
            content = text.encode()
            headers = headers | {"Content-Type": "application/json"}
        return self.session().request(
            method,
            self.url + path,
            data=content,
            headers=headers,
            timeout=TIMEOUT,
            # `requests` would send our key to wherever a redirect points.
            allow_redirects=False,
        )

    def headers(self) -> dict[str, str]:
        key = self.api_key if isinstance(self.api_key, str) else self.api_key()
        return {"X-Internal-Api-Key": key, "X-Request-ID": request_id.get()}

    def refusal(
        self,
        path: str,
        response: requests.Response,
        problem: Any,
        expected: Iterable[type[APIException]],
    ) -> APIException:
        """The error to raise for an answer without the member."""
        status = response.status_code
        code = problem.get("code") if isinstance(problem, dict) else None
        if code == "overloaded":
            return Overloaded()
        for error in expected if 400 <= status < 500 else ():
            if error.default_code == code:
                wait = response.headers.get("Retry-After", "")
                seconds = int(wait) if wait.isdecimal() else 1
                return RateLimited(seconds) if error is RateLimited else error()
        return self.failure(path, f"{status} {code}")

    def failure(self, path: str, reason: str) -> APIException:
        """Log an error. Return a 503, since the user did nothing wrong."""
        metrics.internal_calls_failed_total.labels(*operation(path)).inc()
        dependency_logger.error(
            "%s%s: %s", self.url, path, reason, extra={"event": "service"}
        )
        return DependencyUnavailable()

    def session(self) -> requests.Session:
        """This thread's session (`requests` does not promise that one can be shared).

        Made on first use, so after gunicorn has forked.
        """
        session: requests.Session | None = getattr(self.local, "session", None)
        if session is None:
            session = self.local.session = new_session(
                pool_connections=1, pool_maxsize=1, max_retries=RETRIES
            )
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.headers["Accept"] = "application/json"
        return session


def operation(path: str) -> tuple[str, str]:
    """The service and the operation of a path, without ids, as labels of metrics."""
    route = path.removeprefix("/api/v1/").partition("?")[0]
    service, _, rest = route.partition("/")
    return service, ID.sub("{id}", rest)
