"""Whom a lockout is about: for the commands and the admin."""

from collections.abc import Iterable
from contextlib import suppress
from itertools import compress
from uuid import UUID

from django.db import transaction

from shared.api.client_ip import network
from shared.lockouts import are_reached, reset
from shared.ratelimit import RateLimitPolicy, digest
from shared.structured_logging import audit
from users.events.log import write
from users.models import User
from users.validators import as_id, normalize_identifier


class AmbiguousUser(Exception):
    """One user has the other's id for a name. The message names both."""


def users_of(text: str) -> list[User]:
    """Those with this e-mail address, username or id, present or not: more than one, if
    the username of an old user is the id of another."""
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
    """What a user is counted by, under all names, or a name without one, or an IP
    address; nothing for an empty text. Raises AmbiguousUser."""
    user = find_user(text) if text else None
    subjects = names_of(user) if user else {normalize_identifier(text)} - {""}
    with suppress(ValueError):  # of what is no address
        subjects |= {network(text, *bits) for bits in ((32, 64), (24, 56), (24, 48))}
    return subjects


def names_of(user: User) -> set[str]:
    """What this user is counted by."""
    return set(map(normalize_identifier, (user.email, user.username, str(user.pk))))


def locked(users: Iterable[User]) -> set[UUID]:
    """Those of these users at whom no stranger may guess now; one round trip. Raises
    RedisError, OSError if Redis is unavailable."""
    ids = [user.pk for user in users]
    limits = [RateLimitPolicy("LOGIN_LIMIT_ACCOUNT", str(user_id)) for user_id in ids]
    return set(compress(ids, are_reached(limits)))


def lift(text: str, subjects: set[str], by: str, user: User | None) -> int:
    """Forget what was counted about subjects; how many counts that were. Raises
    RedisError, OSError if Redis is unavailable. `text` is what they were named by, and
    `user` who that is."""
    with transaction.atomic():
        write("authn_login_unlock", user.pk if user else None)
        lifted = reset(subjects)
    login = digest(normalize_identifier(text))
    audit("authn_login_unlock", login=login, by=by, lifted=lifted)
    return lifted
