"""The operator's actions on signing keys: from staged to active, retired, removed.

Each action returns its message to the operator. It locks the keys, and it may be
interrupted after any step: a key is published before it signs, and as long as it signs.
"""

import time
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import DatabaseError

from shared.auth import enrolment
from shared.keys import key_store, signing_keys
from shared.keys.key_store import KeyFault, KeyStore, written_at
from tokens.events import key_event

MARGIN = timedelta(seconds=10)  # after JWKS_MAX_AGE, for clocks and requests under way
# After this, every process has seen a key that was added to the folder it reads.
SETTLED = timedelta(seconds=2)
# Seconds after which all workers sign with the key that is active now.
FOLLOWED = 0.5


def locked() -> AbstractContextManager[KeyStore]:
    """The keys of this service. Other actions wait until the block ends."""
    assert settings.JWT_PUBLIC_KEYS_DIR is not None  # auth reads a folder
    return key_store.locked_key_store(
        settings.JWT_PUBLIC_KEYS_DIR, settings.JWT_PRIVATE_KEYS_DIR
    )


def format_utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def ready_at(store: KeyStore, kid: str) -> datetime:
    """When every copy of the key set has this key."""
    staged_at = written_at(store.public_half(kid))
    return staged_at + timedelta(seconds=settings.JWKS_MAX_AGE) + MARGIN


def needed_until(store: KeyStore, kid: str) -> datetime:
    """When the last token that a superseded key signed has expired everywhere."""
    lifetimes = settings.REFRESH_TOKEN_LIFETIME, settings.ACCESS_TOKEN_LIFETIME
    longest = max(*lifetimes, enrolment.LIFETIME)
    superseded_at = written_at(store.superseded_mark(kid))
    return superseded_at + timedelta(seconds=longest + settings.JWT_LEEWAY)


def list_keys() -> str:
    """A line for each key: its stage, and what comes next."""
    with locked() as store:
        kids = sorted(store.kids(), key=partial(ready_at, store))
        return "\n".join(f"{kid}  {describe(store, kid)}" for kid in kids)


def describe(store: KeyStore, kid: str) -> str:
    stage = store.stage(kid)
    next_step = {
        "active": f"signs; published {format_utc(written_at(store.public_half(kid)))}",
        "staged": f"may be activated from {format_utc(ready_at(store, kid))}",
        "superseded": "may be retired",
        "retired": f"verifies until {format_utc(needed_until(store, kid))}",
    }
    return f"{stage:10}  {next_step[stage]}"


def stage(bits: int = signing_keys.RECOMMENDED_BITS) -> str:
    """Publish a new key that does not sign yet. Raises KeyFault for a refused size."""
    with locked() as store:
        kid = signing_keys.add(store, bits)
        ready = ready_at(store, kid)
        try:
            with key_event("key_staged", kid=kid, bits=bits):
                pass
        except DatabaseError:
            store.remove(kid)
            raise
    return f"{kid} is published. Activate it from {format_utc(ready)} on."


def activate(kid: str, now: bool = False) -> str:
    """Sign with this key. With `now`, even if others may keep a key set without it.

    Raises KeyFault, also if a half is missing or bad.
    """
    with locked() as store:
        kid, predecessor = store.resolve_kid(kid), store.active
        ready = ready_at(store, kid)
        if kid == predecessor:
            raise KeyFault(f"{kid} is active already.")
        if datetime.now(UTC) < ready and not now:
            text = f"Other services may not know {kid} before {format_utc(ready)}."
            raise KeyFault(f"{text} Wait until then, or use --now.")
        with key_event("key_activated", kid=kid, predecessor=predecessor):
            switch(store, kid)
    return f"{kid} signs from now on."


def switch(store: KeyStore, kid: str) -> None:
    """Sign with `kid`, once every reader of the folder has seen it.

    Raises KeyFault if a half is missing or bad; then nothing has changed.
    """
    signing_keys.load_public_key(store.public_half(kid))
    signing_keys.load_private_key(store.private_half(kid))
    unseen = written_at(store.public_half(kid)) + SETTLED - datetime.now(UTC)
    time.sleep(min(max(unseen, timedelta(0)), SETTLED).total_seconds())
    store.activate(kid)


def retire(kid: str) -> str:
    """Delete the private half of a superseded key. May be repeated. Raises KeyFault."""
    with locked() as store:
        kid = store.resolve_kid(kid)
        if (stage := store.stage(kid)) in ("active", "staged"):
            text = f"{kid} is {stage}. Only a superseded key can be retired"
            raise KeyFault(f"{text}: `activate` another, or `revoke` it.")
        until = format_utc(needed_until(store, kid))
        with key_event("key_retired", kid=kid, needed_until=until):
            key_store.remove(store.private_half(kid))
    return (
        f"{kid} no longer signs. It verifies until {until}; "
        "`keys prune` removes it then."
    )


def prune() -> str:
    """Remove the public halves that no service needs any more."""
    with locked() as store:
        now = datetime.now(UTC)
        retired = [kid for kid in store.kids() if store.stage(kid) == "retired"]
        for kid in retired:
            # A public half without a mark: the key may have signed until now.
            if not store.superseded_mark(kid).exists():
                key_store.put(store.superseded_mark(kid))
        due = [kid for kid in retired if needed_until(store, kid) <= now]
        for kid in due:
            with key_event("key_pruned", kid=kid):
                store.remove(kid)
    return f"Removed {len(due)} keys."


def revoke(kid: str) -> str:
    """Refuse all that a key signed, now. If it is active, another takes its place.

    Raises KeyFault or OSError, also if no other key can take its place.
    """
    with locked() as store:
        kid, successor = store.resolve_kid(kid), None
        if store.active in (kid, None):
            successor = replace(store, kid)
            time.sleep(FOLLOWED)
        with key_event("key_revoked", kid=kid, successor=successor):
            store.remove(kid)
    return (
        f"{kid} is removed: tokens that it signed are refused.\n"
        + (f"{successor} signs from now on.\n" if successor else "")
        + "Sessions whose refresh token it signed need a new login; "
        "`revokesessions --all` also removes them from the lists."
    )


def replace(store: KeyStore, kid: str) -> str:
    """Sign with another key than `kid`, a staged or a new one. Returns its kid."""
    staged = [each for each in store.kids() if store.stage(each) == "staged"]
    for each in sorted(staged, key=partial(ready_at, store)):
        if each != kid:
            with suppress(KeyFault):  # a broken one
                switch(store, each)
                return each
    successor = signing_keys.add(store, signing_keys.RECOMMENDED_BITS)
    switch(store, successor)
    return successor
