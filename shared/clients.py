"""How services call each other: typed methods, short timeouts, one kind of failure.

    ServiceRefused          the service answered with a problem of ours (4xx)
    DependencyUnavailable   no answer, no sense in it, a 5xx, or our key refused
    Overloaded              the service, or our own queue for it, is full

A remote failure is never passed on to a user as a 401.
"""

import threading
from collections.abc import Callable
from functools import lru_cache, partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from uuid import UUID

import requests
from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import APIException
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Retry

from shared.api.exceptions import (
    DependencyUnavailable,
    InvalidCredentials,
    Overloaded,
    RateLimited,
    TokenExpired,
    TokenInvalid,
    TokenNotYetValid,
    TokenRevoked,
    UserNotFound,
)
from shared.auth import api_keys
from shared.circuit_breaker import Bulkhead
from shared.deadline import DeadlineAdapter
from shared.structured_logging import dependency_logger, request_id

# (connect, read) in seconds; `shared.deadline` bounds the whole of an answer. All that
# a caller asks for fits in the gateway's 15 s.
TIMEOUT = (1.0, 3.0)


class OneRetry(Retry):
    """Connecting may be tried once more, an idempotent read on a broken connection too.

    A POST that was sent may have been carried out (urllib3 knows), and a service that
    was too slow to answer is not asked the same again.
    """

    def increment(self, *args: Any, **kwargs: Any) -> "OneRetry":
        error = kwargs.get("error")
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(*args, **kwargs)


RETRIES = OneRetry(
    connect=1, read=1, redirect=0, status=0, other=0, backoff_factor=0.05
)


class ServiceRefused(Exception):
    """A 4xx of a service of ours, by its `code`; `wait` is its Retry-After."""

    def __init__(self, code: str, wait: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.wait = int(wait) if wait.isdecimal() else 1


# A key, or what says which one it is now: keys are rotated while services run.
Key = str | Callable[[], str]


class ServiceClient:
    """Base of the clients: one pooled `requests` session per thread."""

    def __init__(self, url: str, api_key: Key) -> None:
        self.url = url.rstrip("/")
        self.api_key = api_key
        self.local = threading.local()

    def call(
        self, method: str, path: str, member: str, body: Any = None
    ) -> dict[str, Any]:
        """The JSON object answered, which must have `member`: something else may answer
        at that address. Raises ServiceRefused, DependencyUnavailable, Overloaded."""
        try:
            response = self.send(method, path, body, self.headers())
            answer: dict[str, Any] = response.json()
        except requests.RequestException as exc:
            raise self.failure(path, type(exc).__name__) from exc
        found = isinstance(answer, dict) and member in answer
        # Not `response.ok`, which takes a redirect for success.
        if response.status_code == 200 and found:
            return answer
        raise self.refusal(path, response, answer)

    def send(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> requests.Response:
        return self.session().request(
            method,
            self.url + path,
            json=body,
            headers=headers,
            timeout=TIMEOUT,
            # `requests` would send our key to wherever a redirect points.
            allow_redirects=False,
        )

    def ask(
        self,
        method: str,
        path: str,
        member: str,
        body: Any = None,
        *expected: type[APIException],
    ) -> dict[str, Any]:
        """`call`, which raises one of the `expected` errors for its code. Every other
        refusal is a fault of ours."""
        try:
            return self.call(method, path, member, body)
        except ServiceRefused as exc:
            for error in expected:
                if error.default_code == exc.code:
                    limited = error is RateLimited
                    raise RateLimited(exc.wait) if limited else error from exc
            raise self.failure(path, exc.code) from exc

    def headers(self) -> dict[str, str]:
        key = self.api_key if isinstance(self.api_key, str) else self.api_key()
        return {"X-Internal-Api-Key": key, "X-Request-ID": request_id.get()}

    def refusal(
        self, path: str, response: requests.Response, problem: Any
    ) -> Exception:
        """What an answer other than 2xx means for our caller."""
        status = response.status_code
        code = problem.get("code") if isinstance(problem, dict) else None
        if code == "overloaded":
            return Overloaded()
        if code is None or code == "service_auth_failed" or not 400 <= status < 500:
            return self.failure(path, f"{status} {code}")
        return ServiceRefused(code, response.headers.get("Retry-After", ""))

    def failure(self, path: str, reason: str) -> APIException:
        """Loud in the log, and 503 to the user: our trouble is not theirs."""
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
            session = self.local.session = requests.Session()
            session.trust_env = False  # no proxy, no .netrc
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.headers["Accept"] = "application/json"
            for scheme in ("http://", "https://"):
                adapter = DeadlineAdapter(1, 1, max_retries=RETRIES)
                session.mount(scheme, adapter)
        return session


class UsersClient(ServiceClient):
    """The User Service. Concurrent calls are bounded below the threads of a worker, so
    that one which is slow cannot keep token verification and logout waiting."""

    def __init__(self, url: str, api_key: Key, threads: int = 8) -> None:
        super().__init__(url, api_key)
        # One thread is always left; logins cannot take what refreshes need, and do not
        # wait: while a storm of them lasts, those that wait would be all there is.
        self.calls = Bulkhead(max(threads - 1, 1))
        self.logins = Bulkhead(max(threads // 2, 1), patience=0)

    def verify(self, attempt: dict[str, Any]) -> dict[str, Any]:
        """The user {sub, email, username, roles, session_epoch, device} to whom the
        credentials in `attempt` belong; it names the `client` and its `device` too.
        Raises InvalidCredentials, RateLimited and what `call` raises."""
        path, errors = "/api/v1/users/verify", (InvalidCredentials, RateLimited)
        with self.logins.slot(), self.calls.slot():
            return self.ask("POST", path, "sub", attempt, *errors)

    def get(self, user_id: UUID) -> dict[str, Any] | None:
        """The user, or None: unknown, deleted or inactive, as the service itself says.

        A 404 without our own code comes from something else that answers there, and is
        no reason to end a session.
        """
        path = f"/api/v1/users/{user_id}"
        try:
            with self.calls.slot():
                return self.ask("GET", path, "id", None, UserNotFound)
        except UserNotFound:
            return None

    def end_sessions(
        self, user_id: UUID, keep_sid: UUID | None = None
    ) -> dict[str, Any]:
        """Raise the user's session_epoch: sessions below it are dead, but `keep_sid` if
        its own epoch is at least `kept_from`. {session_epoch, kept_from}.

        The User Service pushes nothing: the caller acts on the answer. Without one the
        epoch may have been raised. Raises UserNotFound and what `call` raises.
        """
        path = f"/api/v1/users/{user_id}/end_sessions"
        body = {} if keep_sid is None else {"keep_sid": str(keep_sid)}
        with self.calls.slot():
            return self.ask("POST", path, "session_epoch", body, UserNotFound)


class SessionAnswer(serializers.Serializer[None]):
    """A session in an answer of the Auth Service, before it is believed."""

    id = serializers.UUIDField()
    # A client chooses its name: whatever it is, it hides no session from an operator.
    device = serializers.CharField(allow_blank=True, trim_whitespace=False)
    ip = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class AuthClient(ServiceClient):
    """The Auth Service."""

    TOKEN_ERRORS = (TokenExpired, TokenInvalid, TokenNotYetValid, TokenRevoked)

    def verify_token(self, token: str) -> dict[str, Any]:
        """Claims of a live access token. Raises what is wrong with it."""
        path, body = "/api/v1/auth/verify_token", {"token": token}
        return self.ask("POST", path, "valid", body, *self.TOKEN_ERRORS)

    def revoke_sessions(
        self,
        user_id: UUID,
        epoch: int,
        reason: str,
        keep_sid: UUID | None = None,
        keep_from: int | None = None,
    ) -> int:
        """End a user's sessions below `epoch`; how many were ended. `keep_sid` is kept
        if its own epoch is at least `keep_from`."""
        path = "/api/v1/auth/sessions/revoke"
        body = {"user_id": str(user_id), "epoch": epoch, "reason": reason}
        if keep_sid is not None:
            body |= {"keep_sid": str(keep_sid), "keep_from": keep_from}
        revoked: int = self.ask("POST", path, "revoked", body)["revoked"]
        return revoked

    def sessions(self, user_id: UUID) -> list[dict[str, Any]]:
        """A user's live sessions, the last used first: {id, device, ip, created_at,
        last_used_at, expires_at}, as Python's types."""
        path = f"/api/v1/auth/users/{user_id}/sessions"
        answer = self.ask("GET", path, "sessions")
        listed = SessionAnswer(data=answer["sessions"], many=True)
        if not listed.is_valid():
            raise self.failure(path, "these are no sessions")
        return [dict(session) for session in listed.validated_data]

    def revoke_session(self, user_id: UUID, sid: UUID) -> bool:
        """End one session of a user, for an operator; False where they have no such
        live one. Without an answer it may have been ended."""
        path = f"/api/v1/auth/users/{user_id}/sessions/{sid}/revoke"
        return bool(self.ask("POST", path, "revoked", {})["revoked"])


@lru_cache
def auth_client() -> AuthClient:
    """This process's client of the Auth Service."""
    key = partial(api_keys.presented, "AUTH_SERVICE_API_KEY")
    return AuthClient(settings.AUTH_SERVICE_URL, key)


@lru_cache
def users_client() -> UsersClient:
    """This process's client of the User Service."""
    key = partial(api_keys.presented, "USERS_SERVICE_API_KEY")
    return UsersClient(settings.USERS_SERVICE_URL, key, settings.WEB_THREADS)
