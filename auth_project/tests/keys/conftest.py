"""Key folders of their own for each test, a clock, and what lies in the folders."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from shared.keys import key_store, signing_keys
from tokens import key_rotation

READY = 310  # seconds: JWKS_MAX_AGE and the margin
BITS = 2048


class Clock:
    """Time passes when the code sleeps, or the test says so."""

    def __init__(self):
        self.now = datetime.now(UTC)
        self.slept = 0.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    def sleep(self, seconds):
        self.slept += seconds
        self.passes(seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(key_store, "clock", clock)
    monkeypatch.setattr(key_rotation.time, "sleep", clock.sleep)
    monkeypatch.setattr(signing_keys, "RECOMMENDED_BITS", BITS)
    return clock


@pytest.fixture(autouse=True)
def folder(tmp_path, settings):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"
    return tmp_path


@pytest.fixture(scope="module")
def pool():
    """Made once: making keys is slow."""
    return [generate_private_key(65537, BITS) for _ in range(5)]


@pytest.fixture(autouse=True)
def _quick_keys(pool, monkeypatch):
    left = iter(pool)
    monkeypatch.setattr(
        signing_keys,
        "generate_private_key",
        lambda **options: next(left, None) or generate_private_key(**options),
    )


@pytest.fixture
def first(folder):
    """The kid of an installation's first key."""
    return signing_keys.generate(folder, BITS)


@pytest.fixture
def second(first, clock):
    """A staged key that may be activated."""
    kid, _ = key_rotation.stage(BITS)
    clock.passes(READY + 1)
    return kid
