import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import responses
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client

from shared import clients
from shared.ratelimit_defaults import DEFAULTS
from tests.factories import PASSWORD, UserFactory
from tests.guesses import HERE, WRONG, Guess
from users import hashing_pool, models, revocation
from users.models import User

CALLERS = ("auth", "billing")  # `billing` stands for any service but the Auth Service


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """What one test breaks or fills is whole for the next."""
    hashing_pool.pool.cache_clear()
    revocation.breaker.succeeded()
    yield
    hashing_pool.pool.cache_clear()


@pytest.fixture(autouse=True)
def _configuration(settings: Any) -> None:
    """What the tests count with, whatever the environment says."""
    settings.WEB_THREADS = 8
    settings.PASSWORD_MIN_LENGTH = 8
    settings.AUTH_SERVICE_URL = "http://auth.test:8001"
    settings.INTERNAL_API_KEYS = [(name, f"{name}-key" * 8) for name in CALLERS]
    # Out of the way; what they do is tested in test_guess_limits.py.
    settings.LIMITS = dict.fromkeys(DEFAULTS, "1000000/minute")
    clients.auth_client.cache_clear()


@pytest.fixture
def pushes(settings: Any) -> Iterator[list[dict[str, Any]]]:
    """The bodies of the pushes that reach the Auth Service."""
    bodies: list[dict[str, Any]] = []

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        assert request.headers["X-Internal-Api-Key"] == settings.AUTH_SERVICE_API_KEY
        bodies.append(json.loads(request.body))
        return 200, {}, json.dumps({"revoked": 1})

    url = f"{settings.AUTH_SERVICE_URL}/api/v1/auth/sessions/revoke"
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback("POST", url, answer)
        yield bodies


@pytest.fixture
def on_commit(django_capture_on_commit_callbacks: Any) -> Any:
    """`with on_commit():` runs what waits for a commit, which no test does."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def at_once(transactional_db: Any) -> Callable[..., list[Any]]:
    """Runs acts in as many threads, which start together; their results."""

    def run(*acts: Callable[[], Any]) -> list[Any]:
        start = threading.Barrier(len(acts))

        def work(act: Callable[[], Any]) -> Any:
            start.wait(10)
            try:
                return act()
            finally:
                connection.close()

        with ThreadPoolExecutor(len(acts)) as pool:
            return list(pool.map(work, acts))

    return run


@pytest.fixture
def root() -> User:
    return UserFactory(
        email="root@example.org", username="root", is_staff=True, is_superuser=True
    )


@pytest.fixture
def admin(root: User) -> Client:
    """The browser of a superuser."""
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def clerk() -> Client:
    """The browser of staff who may see and change users, and no more."""
    user = UserFactory(is_staff=True)
    rights = Permission.objects.filter(codename__in=["view_user", "change_user"])
    user.user_permissions.set(rights)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def documented(settings: Any) -> None:
    """The limits of the documents."""
    settings.LIMITS = dict(DEFAULTS)


@pytest.fixture
def limited(settings: Any) -> Callable[..., None]:
    """Calls change limits by name."""

    def change(**limits: str) -> None:
        settings.LIMITS = {**settings.LIMITS, **limits}

    return change


@pytest.fixture
def ada() -> User:
    return UserFactory(
        email="ada@example.org", username="ada", is_staff=True, password_epoch=1
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that are checked. They are compared without a hash."""
    checked: list[str] = []

    def compare(password: str, encoded: str) -> tuple[bool, bool]:
        checked.append(password)
        return password == PASSWORD, False

    def encode(password: str) -> str:
        checked.append(password)
        return f"not a hash of {password}"

    monkeypatch.setattr(models, "verify_password", compare)
    monkeypatch.setattr("django.contrib.auth.base_user.make_password", encode)
    return checked


@pytest.fixture
def guess(service_client: Any) -> Guess:
    """The answer to a login with this password, from this address and device."""
    auth = service_client("auth")

    def verify(
        password: str = WRONG,
        login: str = "ada@example.org",
        address: str | None = HERE,
        device: str = "",
    ) -> Any:
        body: dict[str, Any] = {"password": password, "device": device}
        body["email" if "@" in login else "username"] = login
        body["client"] = {"ip": address, "user_agent": "Firefox"}
        return auth.post("/api/v1/users/verify", body)

    return verify
