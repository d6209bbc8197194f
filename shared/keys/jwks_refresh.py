"""A JWK Set at an address, kept fresh by a thread. Who reads it waits for nothing."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import NamedTuple

from jwt import PyJWK

from shared.api.exceptions import DependencyUnavailable
from shared.keys import jwk_set
from shared.keys.jwk_set import KeySetFault
from shared.keys.jwks_fetch import DEADLINE, Document, fetch
from shared.structured_logging import dependency_logger

log = logging.LoggerAdapter(dependency_logger, {"event": "jwks"})


class Held(NamedTuple):
    """What was fetched. Replaced as a whole, never changed in place."""

    keys: Mapping[str, PyJWK]
    document: Document
    good_until: float


class RemoteKeySet:
    """All requests are one thread's, so there is never more than one at a time.

    A key that is revoked is gone after `interval`, or after `interval` and `cooldown`
    where one fetch fails, and the time that fetches take: within a minute.
    """

    interval = 30.0  # seconds from one fetch to the next
    cooldown = 10.0  # seconds till the next where one failed, or is asked for
    grace = 3600.0  # seconds that the last good set serves while fetches fail

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.url = url
        self.clock = clock
        self.held: Held | None = None
        self.closed = False
        self.reset()
        # Threads do not survive a fork, and what they had locked would stay locked.
        os.register_at_fork(after_in_child=self.reset)

    def reset(self) -> None:
        """As it was before the first fetch, but for the keys."""
        self.lock = threading.Lock()  # for moments; never while anybody waits
        self.thread: threading.Thread | None = None
        self.wanted = threading.Event()
        self.flight: Future[bool] | None = None
        self.tried = threading.Event()
        self.tried_at = float("-inf")
        self.was_good = False

    def keys(self) -> Mapping[str, PyJWK]:
        """The keys there are, at least one. Waits for a process's first fetch alone.

        Raises DependencyUnavailable.
        """
        if self.thread is None:
            self.start()
        held = self.good()
        if held is None:
            self.tried.wait(DEADLINE)
            held = self.good()
        if held is None:
            raise DependencyUnavailable
        return held.keys

    def good(self) -> Held | None:
        held = self.held
        return held if held is not None and self.clock() < held.good_until else None

    def look_again(self) -> bool:
        """Fetch now, and whether that was done: not shortly after a good fetch.

        Raises DependencyUnavailable where it fails or just did, and where a fetch is
        under way: one caller waits for it, or all threads of a worker would.
        """
        with self.lock:
            is_recent = self.clock() < self.tried_at + self.cooldown
            if self.flight is not None or (is_recent and not self.was_good):
                raise DependencyUnavailable
            if is_recent:
                return False
            flight = self.flight = Future()
            self.wanted.set()
        try:
            succeeded = flight.result(DEADLINE)
        except TimeoutError:
            succeeded = False
        if not succeeded:
            raise DependencyUnavailable
        return True

    def start(self) -> None:
        with self.lock:
            if self.thread is None:
                # A daemon: it must not keep a process from ending.
                thread = threading.Thread(target=self.poll, name="jwks", daemon=True)
                thread.start()
                self.thread = thread

    def close(self) -> None:
        """Fetch no more."""
        self.closed = True
        self.wanted.set()

    def poll(self) -> None:
        while not self.closed:
            succeeded = self.refresh()
            self.wanted.wait(self.interval if succeeded else self.cooldown)

    def refresh(self) -> bool:
        """One fetch, for all who want one."""
        with self.lock:
            self.wanted.clear()
            flight = self.flight = self.flight or Future()
        succeeded = self.fetch()
        with self.lock:
            self.tried_at, self.was_good = self.clock(), succeeded
            self.flight = None
        self.tried.set()
        flight.set_result(succeeded)
        return succeeded

    def fetch(self) -> bool:
        """Whatever goes wrong, the keys there are stay and the next fetch must come."""
        held, started = self.held, self.clock()
        try:
            document = fetch(self.url, held.document if held else None)
            if held is not None and document.body == held.document.body:
                keys = held.keys
            else:
                keys = jwk_set.read(document.body)
                log.info("the JWK Set has now the keys %s", ", ".join(keys))
        except Exception as exc:  # noqa: BLE001 - a thread that died would heal nothing
            reason = exc if isinstance(exc, KeySetFault) else type(exc).__name__
            log.error("fetching the JWK Set failed: %s", reason)
            if held is not None:
                # The next is fetched whole: a fault of the condition heals itself.
                self.held = held._replace(document=Document(held.document.body))
            return False
        self.held = Held(keys, document, started + self.grace)
        return True
