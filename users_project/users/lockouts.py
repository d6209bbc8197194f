"""Whom a lockout is about: for the commands and the admin."""

from contextlib import suppress
from uuid import UUID

from shared.api.client_ip import network
from shared.lockouts import reset
from shared.ratelimit import digest
from shared.structured_logging import audit
from users.models import User
from users.validators import normalize_identifier


def find_user(text: str) -> User | None:
    """The user with this id, e-mail address or username, present or not."""
    try:
        return User.objects.find(present=False, id=UUID(text))
    except ValueError:
        name = "email" if "@" in text else "username"
        return User.objects.get_by_identifier(**{name: text})


def subjects_of(text: str) -> set[str]:
    """What a user is counted by, under all names, or a name without one, or an IP
    address; nothing for an empty text."""
    user = find_user(text) if text else None
    names = {user.email, user.username, str(user.pk)} if user else {text} - {""}
    subjects = {normalize_identifier(name) for name in names}
    with suppress(ValueError):  # of what is no address
        subjects |= {network(text, *bits) for bits in ((32, 64), (24, 56), (24, 48))}
    return subjects


def lift(text: str, by: str) -> int:
    """Forget what was counted about a subject; how many counts that were. Raises
    RedisError, OSError if Redis is unavailable."""
    lifted = reset(subjects_of(text))
    login = digest(normalize_identifier(text))
    audit("authn_login_unlock", login=login, by=by, lifted=lifted)
    return lifted
