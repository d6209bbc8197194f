"""What an operator does with signing keys: from staged by way of active to removed.

Each act is alone with the keys, and in an order of which any beginning is safe: a key
that signs is published, before it does and until it does no more.
"""

import time
from datetime import datetime, timedelta

from shared.keys import key_state, signing_keys
from shared.structured_logging import audit
from tokens.key_folders import KeyFolders, Refused, clock, opened, shown

# After this, every process has seen a key that was added to the folder it reads.
SETTLED = timedelta(seconds=2)
# Seconds after which all workers sign with the key that is active now.
FOLLOWED = 0.5


def stage(bits: int = signing_keys.RECOMMENDED_BITS) -> tuple[str, datetime]:
    """Publish a new key that is not used yet. Its kid, and when it may be activated.

    Raises KeyFault for a size that is refused.
    """
    with opened() as folders:
        kid = signing_keys.add(folders.public, folders.private, folders.state, bits)
        ready_at = folders.ready_at(kid)
    audit("key_staged", kid=kid, bits=bits, by="operator")
    return kid, ready_at


def activate(text: str, at_once: bool = False) -> str:
    """Sign with this key from now on; its kid. `at_once`: even where others may keep a
    key set without it. Raises Refused, or KeyFault where a half is missing or bad."""
    with opened() as folders:
        kid, predecessor = folders.named(text), folders.state.active
        if kid == predecessor:
            raise Refused(f"{kid} is active already.")
        ready_at = folders.ready_at(kid)
        if clock() < ready_at and not at_once:
            raise Refused(f"Others may not know {kid} before {shown(ready_at)}.")
        switch(folders, kid)
    audit("key_activated", kid=kid, predecessor=predecessor, by="operator")
    return kid


def switch(folders: KeyFolders, kid: str) -> None:
    """Have `kid` sign: one write decides. Raises KeyFault, and nothing has changed."""
    load_both(folders, kid)
    published = clock() - (folders.times(kid).staged_at or clock())
    wait = SETTLED - max(published, timedelta(0))
    time.sleep(max(wait.total_seconds(), 0))
    folders.state.activate(kid, clock())
    folders.save()


def retire(text: str) -> tuple[str, datetime]:
    """Delete the private half of a superseded key; its kid, and until when the public
    half is needed. May be repeated. Raises Refused."""
    with opened() as folders:
        kid = folders.named(text)
        stage = folders.stage(kid)
        if stage == "active":
            raise Refused(f"{kid} is active. Activate another one first.")
        if stage == "staged":
            raise Refused(f"{kid} was never used. `revoke` removes it.")
        key_state.remove(folders.private_half(kid))
        times = folders.times(kid)
        times.retired_at = times.retired_at or clock()
        folders.save()
        needed_until = folders.needed_until(kid)
    audit("key_retired", kid=kid, needed_until=shown(needed_until), by="operator")
    return kid, needed_until


def prune() -> list[str]:
    """Remove the public halves that nobody needs any more; their kids."""
    with opened() as folders:
        due = [
            kid
            for kid in folders.state.keys
            if folders.stage(kid) == "retired" and folders.needed_until(kid) <= clock()
        ]
        for kid in due:
            key_state.remove(folders.public_half(kid))
            del folders.state.keys[kid]
        folders.save()
    for kid in due:
        audit("key_pruned", kid=kid, by="operator")
    return due


def revoke(text: str) -> tuple[str, str | None]:
    """Take every trust from a key, now: all that it signed is refused. Its kid, and
    that of the key that signs in its place, where it was the one to sign.

    Raises Refused; KeyFault or OSError where no other key can take its place.
    """
    with opened() as folders:
        kid = folders.named(text)
        successor = None
        if folders.state.active in (kid, None):
            successor = replace(folders, kid)
        key_state.remove(folders.public_half(kid))
        key_state.remove(folders.private_half(kid))
        del folders.state.keys[kid]
        folders.save()
    audit("key_revoked", kid=kid, successor=successor, by="operator")
    return kid, successor


def replace(folders: KeyFolders, kid: str) -> str:
    """Sign with another key than `kid`: one that waits for it, or a new one."""
    waiting = [k for k in folders.state.keys if folders.stage(k) == "staged"]
    usable = [k for k in waiting if k != kid and is_whole(folders, k)]
    if usable:
        successor = min(usable, key=folders.ready_at)
    else:
        successor = signing_keys.add(
            folders.public,
            folders.private,
            folders.state,
            signing_keys.RECOMMENDED_BITS,
        )
    switch(folders, successor)
    time.sleep(FOLLOWED)
    return successor


def is_whole(folders: KeyFolders, kid: str) -> bool:
    try:
        load_both(folders, kid)
    except signing_keys.KeyFault:
        return False
    return True


def load_both(folders: KeyFolders, kid: str) -> None:
    """Raises KeyFault where a half is missing, bad, or not of this name."""
    signing_keys.load_public_key(folders.public_half(kid))
    signing_keys.load_private_key(folders.private_half(kid))
