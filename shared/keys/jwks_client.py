"""Verifying keys from a JWK Set (RFC 7517) at a URL, for a service without key folders.

While the Auth Service is slow or unavailable, the last good set serves for an hour and
one request in `COOLDOWN` tries to fetch a new one. Unknown kids, which anyone can
invent, cost at most one fetch in `COOLDOWN`.
"""

import json
import logging
import re
import threading
import time
from typing import Any

from jwt import PyJWK, PyJWKClient, PyJWKClientError, PyJWTError

from shared.api.exceptions import DependencyUnavailable
from shared.http.session import new_session
from shared.keys import signing_keys
from shared.structured_logging import dependency_logger

LIFESPAN = 30.0  # seconds from one fetch to the next
MAXIMUM_AGE = 45.0  # seconds; a request waits for a fetch rather than use an older set
COOLDOWN = 10.0  # seconds to the next fetch after a failure, or for an unknown kid
GRACE = 3600.0  # seconds that the last good set serves while fetches fail
TIMEOUT = (1.0, 3.0)  # seconds to connect and between bytes; see `shared.http.deadline`
MAXIMUM_BYTES = 64 * 1024
HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    "Accept-Encoding": "identity",
    # From the origin: a cache on the way may keep a revoked key for its max-age.
    "Cache-Control": "no-cache",
}
KID = re.compile(r"[A-Za-z0-9_-]{43}")  # a thumbprint (RFC 7638) in base64url
EXPECTED = {"kty": "RSA", "alg": signing_keys.ALGORITHM, "use": "sig"}

log = logging.LoggerAdapter(dependency_logger, {"event": "jwks"})


class JWKSetClient(PyJWKClient):
    """The keys of a JWK Set. A process needs one of these."""

    def __init__(self, url: str) -> None:
        super().__init__(url, lifespan=LIFESPAN)
        self.fetching = threading.Lock()
        self.keys: dict[str, PyJWK] = {}  # replaced, never changed in place
        self.fetched_at = self.tried_at = float("-inf")
        self.succeeded = True

    def find(self, kid: str) -> PyJWK | None:
        """The key with this kid; None if the set has none.

        Raises DependencyUnavailable if that cannot be known now.
        """
        key = self.all().get(kid)
        if key is None and KID.fullmatch(kid):
            self.refresh(COOLDOWN, blocking=False)
            # Before the keys: a fetch that ends in between has replaced them.
            is_unsure = self.fetching.locked() or not self.succeeded
            key = self.keys.get(kid)
            if key is None and is_unsure:
                raise DependencyUnavailable
        return key

    def all(self) -> dict[str, PyJWK]:
        """All keys by kid, at least one. Raises DependencyUnavailable."""
        is_old = time.monotonic() > self.fetched_at + MAXIMUM_AGE
        interval = LIFESPAN if self.succeeded else COOLDOWN
        self.refresh(interval, blocking=is_old and self.succeeded)
        if time.monotonic() > self.fetched_at + GRACE:
            raise DependencyUnavailable
        return self.keys

    def refresh(self, interval: float, *, blocking: bool) -> None:
        """Fetch if the last attempt is older than `interval`. If another thread is
        fetching: wait for it if `blocking`, else return."""
        if self.is_due(interval) and self.fetching.acquire(blocking=blocking):
            try:
                if self.is_due(interval):
                    self.fetch()
            finally:
                self.fetching.release()

    def is_due(self, interval: float) -> bool:
        return time.monotonic() >= self.tried_at + interval

    def fetch(self) -> None:
        """Replace the keys. If anything goes wrong, the last ones stay."""
        started = time.monotonic()
        try:
            found = self.get_jwk_set(refresh=True)
        except Exception as exc:  # noqa: BLE001 - whatever the server sent
            reason = exc if isinstance(exc, PyJWTError) else type(exc).__name__
            log.error("fetching the JWK Set failed: %s", reason)
            self.succeeded = False
        else:
            self.keys = {str(key.key_id): key for key in found.keys}
            self.fetched_at, self.succeeded = started, True
        self.tried_at = time.monotonic()

    def fetch_data(self) -> dict[str, Any]:
        """Download the set; keep usable keys. PyJWT has no deadline or size limit."""
        with new_session() as session:
            session.headers.update(HEADERS)
            with session.get(
                self.uri, timeout=TIMEOUT, allow_redirects=False, stream=True
            ) as response:
                if response.status_code != 200:
                    raise PyJWKClientError(f"status {response.status_code}")
                body = response.raw.read(MAXIMUM_BYTES + 1)
        if len(body) > MAXIMUM_BYTES:
            raise PyJWKClientError(f"over {MAXIMUM_BYTES} bytes")
        members = self._as_jwk_set_payload(json.loads(body)).get("keys", [])
        return {"keys": [member for member in members if is_usable(member)]}


def is_usable(member: Any) -> bool:
    """Whether this is a public key for our one algorithm, of a good size, whose kid is
    its thumbprint."""
    if not isinstance(member, dict) or not EXPECTED.items() <= member.items():
        return False
    if "d" in member:  # a private key: PyJWT may compute its primes for minutes
        return False
    try:
        signing_keys.check("a member", PyJWK(member).key, member.get("kid"))
    except (PyJWTError, ValueError, TypeError):
        return False
    return True
