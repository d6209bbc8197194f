"""What operators see of the limits, and lift. They name who it is about: in the keys
there are digests, which nobody can read back."""

from collections.abc import Iterator
from typing import NamedTuple

from shared.auth import session_state
from shared.limits import buckets, floor
from shared.limits.buckets import address_of, digest, network_of
from shared.names import canonical
from shared.structured_logging import audit

BATCH = 1000


class Lock(NamedTuple):
    """Somebody has to wait: by which limit, after how many failures, how long."""

    limit: str  # such as `login:pair`
    failures: int
    seconds: int


def subjects(text: str) -> list[str]:
    """The digests for an e-mail address, username, user id or IP address."""
    name = digest(canonical(text))
    try:
        return [name, digest(address_of(text)), digest(network_of(text))]
    except ValueError:
        return [name]


def locks(text: str = "") -> list[Lock]:
    """The waits that run: about somebody, or all. Raises RedisError, OSError."""
    client = session_state.connection()
    found = []
    for name in keys(text):
        seconds = client.ttl(name) if name.endswith(":wait") else -1
        if seconds >= 0:
            failures = int(client.get(name) or 0)
            found.append(Lock(limit_of(name), failures, seconds))
    return sorted(found)


def lift(text: str, address: str = "", by: str = "operator") -> int:
    """Forget what was counted about somebody, or (`address`) about them from there; how
    many counts that were. Where an account is known from is kept.

    Raises ValueError for nobody or no address; RedisError or OSError, with what
    PostgreSQL has counted forgotten.
    """
    if not text:
        raise ValueError("nobody")
    lifted = lift_in_floor(text, address)
    names = [name for name in keys(text, address) if ":known:" not in name]
    if names:
        session_state.connection().delete(*names)
    lifted += len([name for name in names if not name.endswith(":wait")])
    audit("authn_login_unlock", login=digest(canonical(text)), by=by, lifted=lifted)
    return lifted


def lift_in_floor(text: str, address: str) -> int:
    tallies = floor.tallies()
    if tallies is None:
        return 0
    deleted = 0
    for subject in subjects(text):
        rows = tallies.filter(bucket__contains=subject)
        if address:
            rows = rows.filter(bucket__contains=digest(address_of(address)))
        deleted += rows.delete()[0]
    return deleted


def keys(text: str, address: str = "") -> Iterator[str]:
    """The keys about somebody, or all."""
    where = f":{digest(address_of(address))}" if address else ""
    for subject in subjects(text) if text else [""]:
        pattern = f"{buckets.namespace()}:*{subject}{where}*"
        for name in session_state.connection().scan_iter(match=pattern, count=BATCH):
            yield name.decode()


def limit_of(name: str) -> str:
    act, bucket, *_ = name.removeprefix(f"{buckets.namespace()}:").split(":")
    return f"{act}:{bucket}"
