"""Key folders of their own for each test, a clock, and what lies in the folders."""

import os
from functools import cache
from itertools import chain, cycle
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from django.db import OperationalError

from shared.keys import signing_keys
from tokens import key_rotation

READY = 310  # seconds: JWKS_MAX_AGE and the margin
NEEDED = 30 * 24 * 3600 + 10  # seconds: the refresh token's lifetime and the leeway
BITS = 2048
# A key of an algorithm that `cryptography` does not know: one changed byte can make it.
UNSUPPORTED = {
    "public": "MA0wBgYEKgMEBQMDAAQE",
    "private": "MA4CAQAwBgYEKgMEBQQBAA==",
}
# OpenSSL tests the primes again with every reading of a key, which is slow.
READ = cache(serialization.load_pem_private_key)


class Clock:
    """Time passes when the code sleeps, or the test says so: the files grow older."""

    def __init__(self, folder):
        self.folder = folder
        self.slept = 0.0

    def passes(self, seconds):
        for path in self.folder.rglob("*"):
            written = path.stat().st_mtime
            os.utime(path, (written, written - seconds))

    def sleep(self, seconds):
        self.slept += seconds
        self.passes(seconds)


@pytest.fixture(autouse=True)
def folder(tmp_path, settings):
    settings.JWT_PUBLIC_KEYS_DIR = tmp_path / "public"
    settings.JWT_PRIVATE_KEYS_DIR = tmp_path / "private"
    return tmp_path


@pytest.fixture(autouse=True)
def clock(folder, monkeypatch):
    clock = Clock(folder)
    monkeypatch.setattr(key_rotation.time, "sleep", clock.sleep)
    monkeypatch.setattr(signing_keys, "RECOMMENDED_BITS", BITS)
    return clock


@pytest.fixture(autouse=True)
def _no_database(monkeypatch):
    """As on the host of containers. tests/test_events.py has one."""
    stand_in = SimpleNamespace(ensure_connection=raise_operational_error)
    monkeypatch.setattr("tokens.events.connection", stand_in)


def raise_operational_error():
    raise OperationalError


@pytest.fixture(scope="module")
def pool():
    """Made once: making keys is slow. No kid begins with a hyphen, or it is skipped."""
    return [signing_keys.new_key(BITS) for _ in range(5)]


@pytest.fixture(autouse=True)
def _quick_keys(pool, monkeypatch):
    keys = chain(pool[:2], cycle(pool[2:]))
    monkeypatch.setattr(
        signing_keys, "generate_private_key", lambda **options: next(keys)
    )
    monkeypatch.setattr(serialization, "load_pem_private_key", READ)


@pytest.fixture
def first(folder):
    """The kid of an installation's first key."""
    return signing_keys.generate(folder, BITS)


def make_unsupported(path):
    """Write a key of another algorithm in place of this half of a pair."""
    half = path.parent.name
    label = f"{half.upper()} KEY-----"
    path.unlink(missing_ok=True)
    path.write_text(f"-----BEGIN {label}\n{UNSUPPORTED[half]}\n-----END {label}\n")


@pytest.fixture
def second(first, clock):
    """A staged key that may be activated."""
    kid = stage()
    clock.passes(READY + 1)
    return kid


def stage():
    """The kid of a key that is staged now."""
    return key_rotation.stage(BITS).split()[0]


def stages():
    with key_rotation.locked() as store:
        return {kid: store.stage(kid) for kid in store.kids()}


def published(folder):
    return set(signing_keys.load_public_keys(folder / "public"))


def signers(folder):
    """Keys that could sign, if they were active."""
    return {path.stem for path in (folder / "private").glob("*.pem")}


def active(folder):
    return signing_keys.load_signing_key(folder / "private").kid


def everything(folder):
    """The content of both folders, byte for byte."""
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
