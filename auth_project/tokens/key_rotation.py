"""What an operator does with signing keys: from staged to active, retired, removed.

Each action locks the keys, and its steps have an order of which any beginning is safe:
a key that signs is published before it signs and until it no longer does.
"""

import time
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from django.conf import settings

from shared.keys import key_files, key_store, signing_keys
from shared.keys.key_files import KeyFault
from shared.keys.key_store import KeyActionRefused, KeyStore, locked_key_store
from shared.structured_logging import audit

MARGIN = timedelta(seconds=10)  # beyond JWKS_MAX_AGE: clocks, requests on their way
# After this, every process has seen a key that was added to the folder it reads.
SETTLED = timedelta(seconds=2)
# Seconds after which all workers sign with the key that is active now.
FOLLOWED = 0.5


def folders() -> tuple[Path, Path]:
    """The public and the private one. Auth always reads its own."""
    assert settings.JWT_PUBLIC_KEYS_DIR is not None
    return settings.JWT_PUBLIC_KEYS_DIR, settings.JWT_PRIVATE_KEYS_DIR


def locked() -> AbstractContextManager[KeyStore]:
    return locked_key_store(*folders())


def format_utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def ready_at(store: KeyStore, kid: str) -> datetime:
    """From when on every copy of the key set has this key in it."""
    staged_at = store.keys[kid].staged_at or key_store.clock()
    return staged_at + timedelta(seconds=settings.JWKS_MAX_AGE) + MARGIN


def needed_until(store: KeyStore, kid: str) -> datetime:
    """When the last token that a superseded key signed has expired everywhere."""
    longest = max(settings.REFRESH_TOKEN_LIFETIME, settings.ACCESS_TOKEN_LIFETIME)
    superseded_at = store.keys[kid].superseded_at or key_store.clock()
    return superseded_at + timedelta(seconds=longest + settings.JWT_LEEWAY)


def stage(bits: int = signing_keys.RECOMMENDED_BITS) -> tuple[str, datetime]:
    """Publish a new key that does not sign yet. Its kid, and when it may be activated.

    Raises KeyFault for a size that is refused.
    """
    with locked() as store:
        kid = signing_keys.add(store, bits)
        ready = ready_at(store, kid)
    audit("key_staged", kid=kid, bits=bits, by="operator")
    return kid, ready


def activate(text: str, at_once: bool = False) -> str:
    """Sign with this key from now on; its kid. `at_once`: even if others may keep a
    key set without it. Raises KeyActionRefused; KeyFault if a half is missing or bad.
    """
    with locked() as store:
        kid, predecessor = store.resolve_kid(text), store.active
        if kid == predecessor:
            raise KeyActionRefused(f"{kid} is active already.")
        ready = ready_at(store, kid)
        if key_store.clock() < ready and not at_once:
            raise KeyActionRefused(
                f"Others may not know {kid} before {format_utc(ready)}."
            )
        switch(store, kid)
    audit("key_activated", kid=kid, predecessor=predecessor, by="operator")
    return kid


def switch(store: KeyStore, kid: str) -> None:
    """Sign with `kid`, once every reader of the folder has seen it.

    Raises KeyFault if a half is missing or bad; then nothing has changed.
    """
    signing_keys.load_public_key(store.public_half(kid))
    signing_keys.load_private_key(store.private_half(kid))
    now = key_store.clock()
    published = max(now - (store.keys[kid].staged_at or now), timedelta(0))
    time.sleep(max((SETTLED - published).total_seconds(), 0))
    store.activate(kid)


def retire(text: str) -> tuple[str, datetime]:
    """Delete the private half of a superseded key; its kid, and until when the public
    half is needed. May be repeated. Raises KeyActionRefused."""
    with locked() as store:
        kid = store.resolve_kid(text)
        stage = store.stage(kid)
        if stage == "active":
            raise KeyActionRefused(f"{kid} is active. Activate another one first.")
        if stage == "staged":
            raise KeyActionRefused(f"{kid} was never used. `revoke` removes it.")
        key_files.remove(store.private_half(kid))
        times = store.keys[kid]
        times.retired_at = times.retired_at or key_store.clock()
        store.save()
        until = needed_until(store, kid)
    audit("key_retired", kid=kid, needed_until=format_utc(until), by="operator")
    return kid, until


def prune() -> list[str]:
    """Remove the public halves that no service needs any more; their kids."""
    with locked() as store:
        now = key_store.clock()
        retired = [kid for kid in store.keys if store.stage(kid) == "retired"]
        due = [kid for kid in retired if needed_until(store, kid) <= now]
        for kid in due:
            store.remove(kid)
        store.save()
    for kid in due:
        audit("key_pruned", kid=kid, by="operator")
    return due


def revoke(text: str) -> tuple[str, str | None]:
    """Refuse all that a key signed, now. Its kid, and the kid of the key that signs in
    its place, if it was the active one.

    Raises KeyActionRefused; KeyFault or OSError if no other key can take its place.
    """
    with locked() as store:
        kid = store.resolve_kid(text)
        successor = None
        if store.active in (kid, None):
            successor = replace(store, kid)
            time.sleep(FOLLOWED)
        store.remove(kid)
    audit("key_revoked", kid=kid, successor=successor, by="operator")
    return kid, successor


def replace(store: KeyStore, kid: str) -> str:
    """Sign with another key than `kid`: a staged one, or a new one. Its kid."""
    staged = [each for each in store.keys if store.stage(each) == "staged"]
    for each in sorted(staged, key=partial(ready_at, store)):
        if each != kid:
            with suppress(KeyFault):  # a broken one
                switch(store, each)
                return each
    successor = signing_keys.add(store, signing_keys.RECOMMENDED_BITS)
    switch(store, successor)
    return successor
