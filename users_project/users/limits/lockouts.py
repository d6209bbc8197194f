"""The users whom lockouts are about, for the commands and the admin."""

from collections.abc import Iterable
from contextlib import suppress
from itertools import compress
from uuid import UUID

from django.db import transaction

from shared.api.client_ip import network
from shared.limits.lockouts import are_reached, reset
from shared.limits.ratelimit import RateLimitPolicy, digest
from shared.structured_logging import audit
from users.events.log import write
from users.models import User
from users.validators import as_id, normalize_identifier


class AmbiguousUser(Exception):
    """A user has the id of another one as username. The message names both."""


def users_of(text: str) -> list[User]:
    """The users with this e-mail address, username or id, present or not. There are two
    if the username of an old user is the id of another."""
    if "@" in text:
        found = [User.objects.get_by_identifier(email=text)]
    else:
        user_id = as_id(text)
        found = [User.objects.get_by_identifier(username=text)]
        found += [User.objects.find(present=False, id=user_id)] if user_id else []
    return list(dict.fromkeys(filter(None, found)))


def find_user(text: str) -> User | None:
    """The one user of `users_of`. Raises AmbiguousUser."""
    found = users_of(text)
    if len(found) > 1:
        message = f"{text} is the username of {found[0]} and the id of {found[1]}."
        raise AmbiguousUser(f"{message} Use an e-mail address.")
    return found[0] if found else None


def subjects_of(text: str) -> set[str]:
    """The rate limit subjects of a user under all names, of a name without a user, or
    of an IP address. Empty for an empty text. Raises AmbiguousUser."""
    user = find_user(text) if text else None
    subjects = names_of(user) if user else {normalize_identifier(text)} - {""}
    with suppress(ValueError):  # raised for a text that is not an IP address
        subjects |= {network(text, *bits) for bits in ((32, 64), (24, 56), (24, 48))}
    return subjects


def names_of(user: User) -> set[str]:
    """The rate limit subjects of this user."""
    return set(map(normalize_identifier, (user.email, user.username, str(user.pk))))


def locked(users: Iterable[User]) -> set[UUID]:
    """Those of these users at whose password strangers may not guess now. One round
    trip. Raises RedisError or OSError if Redis is unavailable."""
    ids = [user.pk for user in users]
    limits = [RateLimitPolicy("LOGIN_LIMIT_ACCOUNT", str(user_id)) for user_id in ids]
    return set(compress(ids, are_reached(limits)))


def lift(text: str, subjects: set[str], by: str, user: User | None) -> int:
    """Forget the counts of these subjects. Return how many counts there were. `text` is
    what the caller typed to name them, and `user` the user it names. Raises RedisError
    or OSError if Redis is unavailable."""
    with transaction.atomic():
        write("authn_login_unlock", user.pk if user else None)
        lifted = reset(subjects)
    login = digest(normalize_identifier(text))
    audit("authn_login_unlock", login=login, by=by, lifted=lifted)
    return lifted
