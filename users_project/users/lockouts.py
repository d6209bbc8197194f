"""Which limits are reached, for operators, and how to lift them. Keys hold no names, so
the operator has to give one."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from shared import ratelimit
from shared.api.client_ip import network
from shared.auth import session_state
from shared.names import canonical
from shared.ratelimit import digest
from shared.structured_logging import audit
from users.models import User


class Lockout(NamedTuple):
    """A limit that is reached, by its setting; how many were counted; its end."""

    limit: str
    count: int
    seconds: int


def find_user(text: str) -> User | None:
    """The user with this id, e-mail address or username, present or not."""
    try:
        return User.objects.find(present=False, id=UUID(text))
    except ValueError:
        name = "email" if "@" in text else "username"
        return User.objects.find_called(**{name: text})


def subjects_of(text: str) -> set[str]:
    """The digests that an id, a name or an IP address is counted by."""
    user = find_user(text)
    names = {text} if user is None else names_of(user)
    subjects = {canonical(name) for name in names}
    with suppress(ValueError):  # of what is no address
        subjects |= {network(text, *bits) for bits in ((32, 64), (24, 56), (24, 48))}
    return {digest(subject) for subject in subjects}


def names_of(user: User) -> set[str]:
    return {user.email, user.username, str(user.pk)}


def lockouts(text: str = "") -> list[Lockout]:
    """The limits that are reached, about one subject or all. Raises RedisError, OSError
    if Redis is unavailable."""
    client = session_state.connection()
    found = []
    for key in keys(subjects_of(text) if text else [""]):
        _, name, *_, most, multiples, window = key.split("/")
        count = int(client.get(key) or 0)
        if count >= int(most):
            limit = f"{name} {most}/{multiples}{window}"
            found.append(Lockout(limit, count, max(client.ttl(key), 0)))
    return sorted(found)


def reset(text: str, by: str = "operator") -> int:
    """Forget what was counted about a subject; how many counts that were. Raises
    ValueError without one; RedisError, OSError if Redis is unavailable."""
    if not text:
        raise ValueError("no subject")
    found = set(keys(subjects_of(text)))
    if found:
        session_state.connection().delete(*found)
    audit("authn_login_unlock", login=digest(canonical(text)), by=by, lifted=len(found))
    return len(found)


def keys(subjects: Iterable[str]) -> Iterator[str]:
    for subject in subjects:
        pattern = f"{ratelimit.prefix()}:*{subject}*"
        for key in session_state.connection().scan_iter(match=pattern, count=1000):
            yield key.decode()
