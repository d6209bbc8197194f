"""The users whom lockouts are about, for the commands and the admin."""

from collections.abc import Iterable
from itertools import compress
from uuid import UUID

from django.db import transaction

from shared.limits.lockouts import are_reached, reset
from shared.limits.ratelimit import RateLimitPolicy, digest
from shared.structured_logging import audit
from users.events.log import write
from users.models import User
from users.validators import as_id, normalize_identifier


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


def names_of(user: User) -> set[str]:
    """The rate limit subjects of this user."""
    return set(map(normalize_identifier, (user.email, user.username, str(user.pk))))


def locked(users: Iterable[User]) -> set[UUID]:
    """Those of these users at whose password strangers may not guess now. One round
    trip. Raises RedisError or OSError if Redis is unavailable."""
    ids = [user.pk for user in users]
    limits = [RateLimitPolicy("LOGIN_LIMIT_ACCOUNT", str(user_id)) for user_id in ids]
    return set(compress(ids, are_reached(limits)))


def reset_lockouts(text: str, subjects: set[str], by: str, user: User | None) -> int:
    """Forget the counts of these subjects. Return how many counts there were. `text` is
    what the caller typed to name them, and `user` the user it names. Raises RedisError
    or OSError if Redis is unavailable."""
    with transaction.atomic():
        write("authn_login_unlock", user.pk if user else None)
        lifted = reset(subjects)
    login = digest(normalize_identifier(text))
    audit("authn_login_unlock", login=login, by=by, lifted=lifted)
    return lifted
