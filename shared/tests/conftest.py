"""Stub servers, and requests to the service in `shared.tests.urls`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nginx.tests.certificates import self_signed
from nginx.tests.stub_service import Stub
from shared.clients import AuthClient, UsersClient, auth_client
from shared.testing import good_claims
from shared.tests import forgery

CHALLENGE = 'Bearer realm="api", error="invalid_token"'
MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Another service."""
    with Stub() as server:
        yield server


@pytest.fixture
def private_ca(stub: Stub, tmp_path: Path) -> Path:
    """The certificate of `stub`, which no public CA has signed. It is for localhost."""
    certificate, key = self_signed(tmp_path, "localhost")
    stub.use_tls(certificate, key)
    return certificate


@pytest.fixture
def users(stub: Stub) -> UsersClient:
    """A client of the User Service, which `stub` is."""
    return UsersClient(stub.url, "a-key-of-ours")


@pytest.fixture
def auth(stub: Stub) -> AuthClient:
    """A client of the Auth Service, which `stub` is."""
    return AuthClient(stub.url + "/", "a-key-of-ours")


@pytest.fixture
def auth_service(stub: Stub, settings: Any) -> Stub:
    """The Auth Service, where JWTAuthentication looks for it."""
    settings.AUTH_SERVICE_URL = stub.url
    return stub


@pytest.fixture(autouse=True)
def _no_auth_service() -> Iterator[None]:
    """Unless a test has one, no server listens at AUTH_SERVICE_URL."""
    auth_client.cache_clear()
    yield
    auth_client.cache_clear()


@pytest.fixture
def me(api_client: Any) -> Callable[..., Any]:
    """The answer to a user's request with this Authorization header."""

    def get(authorization: str | None = None, **headers: str) -> Any:
        if authorization is not None:
            headers["Authorization"] = authorization
        return api_client.get("/api/v1/test/me", headers=headers)

    return get


@pytest.fixture
def claims() -> dict[str, Any]:
    """The payload of a good access token, whose session is not in Redis."""
    return good_claims()


@pytest.fixture
def header(trusted_kid: str) -> dict[str, Any]:
    return {"alg": "RS256", "kid": trusted_kid, "typ": "at+jwt"}


@pytest.fixture
def sign(header: dict[str, Any], claims: dict[str, Any], issuer_key: Any) -> Any:
    """Signs a good token after changes to its header and claims, or any bytes instead
    of them. `...` leaves a member out."""

    def changed(good: dict[str, Any], changes: Any) -> Any:
        if isinstance(changes, bytes):
            return changes
        return {k: v for k, v in (good | (changes or {})).items() if v is not ...}

    def token(head: Any = None, payload: Any = None, key: Any = issuer_key) -> str:
        return forgery.rs256(changed(header, head), changed(claims, payload), key)

    return token


@pytest.fixture
def refused(me: Callable[..., Any]) -> Callable[..., None]:
    """Asserts that a token is a 401, which names the challenge and no internals."""

    def check(token: str, code: str = "token_invalid") -> None:
        answer = me(f"Bearer {token}")
        assert_problem(answer, 401, code)
        assert answer["WWW-Authenticate"] == CHALLENGE
        assert "token_class" not in answer.content.decode()

    return check


def assert_problem(response: Any, status: int, code: str) -> None:
    """The answer is a problem of ours, with all that belongs to one (RFC 9457)."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) - {"errors"} == MEMBERS
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == response["X-Request-ID"] != ""
    assert ("WWW-Authenticate" in response) == (status == 401)
    assert ("Retry-After" in response) == (status == 503)
