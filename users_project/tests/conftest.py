import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
import responses
from django.contrib.auth.hashers import get_hasher
from django.db import connection

from shared import clients
from shared.limits.defaults import DEFAULTS
from tests.admin_pages import browser_of
from tests.factories import ARGON2_COSTS, EPOCH, PASSWORD, WRONG, UserFactory, hashed
from tests.guesses import HERE
from tests.jobs import delete_jobs, run_due
from users import revocation
from users.factors import secrets
from users.passwords import hashers, hashing_pool, password_model

CALLERS = ("auth", "billing")  # `billing` stands for any service but the Auth Service


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes():
    """Hashing is slow on purpose, and thousands of tests do it."""
    default = get_hasher()
    default.memory_cost, default.time_cost = ARGON2_COSTS
    get_hasher("pbkdf2_sha256").iterations = 1
    for name in ("bcrypt", "bcrypt_sha256"):
        get_hasher(name).rounds = 4


@pytest.fixture(autouse=True)
def _configuration(settings, db):
    """What the tests count with, whatever the environment says or one test leaves."""
    settings.WEB_THREADS = 8
    settings.PASSWORD_MIN_LENGTH = 8
    settings.PASSWORD_MIN_SCORE = 2
    settings.EMAIL_VERIFICATION = "off"
    settings.AUTH_SERVICE_URL = "http://auth.test:8001"
    settings.INTERNAL_API_KEYS = [(name, f"{name}-key" * 8) for name in CALLERS]
    # Out of the way; what they do is tested in test_guess_limits.py.
    settings.LIMITS = dict.fromkeys(DEFAULTS, "1000000/minute")
    clients.auth_client.cache_clear()
    hashing_pool.pool.cache_clear()
    revocation.breaker.succeeded()
    delete_jobs()


@pytest.fixture
def full_pool():
    """All that may hash, hash already."""
    while hashing_pool.pool().slots.acquire(blocking=False):
        pass


@pytest.fixture
def pushes(settings):
    """The bodies of the pushes that reach the Auth Service."""
    bodies = []

    def answer(request):
        assert request.headers["X-Internal-Api-Key"] == settings.AUTH_SERVICE_API_KEY
        bodies.append(json.loads(request.body))
        return 200, {}, json.dumps({"revoked": 1})

    url = f"{settings.AUTH_SERVICE_URL}/api/v1/auth/sessions/revoke"
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback("POST", url, answer)
        yield bodies


@pytest.fixture
def on_commit(django_capture_on_commit_callbacks):
    """`with on_commit():` runs what waits for a commit, which no test does."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def run_jobs(monkeypatch):
    """Calls run all jobs that are due now or within a time, as the worker would, in the
    transaction of the test: see `run_due`."""
    return lambda within=timedelta(): run_due(monkeypatch, within)


@pytest.fixture
def audits(caplog):
    """Calls return the lines of the audit log, or these attributes of each."""

    def lines(*names):
        found = [record for record in caplog.records if record.name == "memo.audit"]
        values = [tuple(getattr(each, name) for name in names) for each in found]
        return values if names else found

    return lines


@pytest.fixture
def at_once(transactional_db):
    """Runs acts in as many threads, which start together; their results."""

    def run(*acts):
        start = threading.Barrier(len(acts))

        def work(act):
            start.wait(10)
            try:
                return act()
            finally:
                connection.close()

        with ThreadPoolExecutor(len(acts)) as pool:
            return list(pool.map(work, acts))

    return run


@pytest.fixture
def root():
    return UserFactory(
        email="root@example.org", username="root", is_staff=True, is_superuser=True
    )


@pytest.fixture
def admin(root):
    """The browser of a superuser."""
    return browser_of(root)


@pytest.fixture
def clerk():
    """The browser of staff who may see and change users, and no more."""
    rights = ["view_user", "change_user"]
    return browser_of(UserFactory(is_staff=True, permissions=rights))


@pytest.fixture
def auth(service_client):
    """The Auth Service."""
    return service_client("auth")


@pytest.fixture
def documented(settings):
    """The limits of the documents."""
    settings.LIMITS = dict(DEFAULTS)


@pytest.fixture
def limited(settings):
    """Calls change limits by name."""

    def change(**limits):
        settings.LIMITS = {**settings.LIMITS, **limits}

    return change


@pytest.fixture
def make_token(make_token):
    """Of a session that lives: of the epoch that new users of the tests have."""
    return partial(make_token, epoch=EPOCH)


@pytest.fixture
def ada():
    return UserFactory(
        email="ada@example.org", username="ada", is_staff=True, password_epoch=1
    )


@pytest.fixture
def quick(monkeypatch):
    """The passwords that are checked. They are compared without a hash."""
    checked = []

    def compare(password, encoded):
        checked.append(password)
        return password == PASSWORD, False

    def encode(password):
        checked.append(password)
        return "not a hash"

    monkeypatch.setattr(password_model, "verify_password", compare)
    monkeypatch.setattr("django.contrib.auth.base_user.make_password", encode)
    return checked


@pytest.fixture
def hashes(monkeypatch):
    """What Argon2 is made to do from here on: the act and the parameters of each."""
    done = []
    hashed(PASSWORD, "default")  # which the factory does once

    def count(name):
        original = getattr(hashers.Argon2Hasher, name)

        def counted(self, password, other):
            params = self.params() if name == "encode" else self.decode(other)["params"]
            done.append((name, params.memory_cost, params.time_cost))
            return original(self, password, other)

        monkeypatch.setattr(hashers.Argon2Hasher, name, counted)

    count("verify")
    count("encode")
    return done


@pytest.fixture
def factor_site(settings, tmp_path):
    """Where second factors work, with a key for their secrets."""
    settings.FACTOR_KEYS_DIR = tmp_path / "factor_keys"
    secrets.add_key()
    settings.WEBAUTHN_RP_ID = "memo.example"
    settings.WEBAUTHN_ORIGINS = [f"https://{settings.WEBAUTHN_RP_ID}"]


@pytest.fixture
def guess(auth):
    """The answer to a login with this password, from this address and device."""

    def verify(password=WRONG, login="ada@example.org", address=HERE, device=""):
        body = {"password": password, "device": device}
        body["email" if "@" in login else "username"] = login
        body["client"] = {"ip": address, "user_agent": "Firefox"}
        return auth.post("/api/v1/users/verify", body)

    return verify
